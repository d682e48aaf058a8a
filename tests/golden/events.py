"""The numbers of a folder of events, as TensorBoard's own reader reads them: what `tests/logs.rs` asks for.

    DOWNHILL_TENSORBOARD=python3 cargo test --test logs    # needs tensorboard
"""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(folder):
    events = EventAccumulator(folder)
    events.Reload()
    for name in sorted(events.Tags()["scalars"]):
        for event in events.Scalars(name):
            print(name, event.step, event.value)


if __name__ == "__main__":
    main(sys.argv[1])
