#!/usr/bin/env python3
"""Makes `recurrences.txt` with PyTorch: what downhill's tests of recurrences take for the truth.

Run as `layers.py`, whose helpers it takes, with the same versions. In: nothing. Out: the file beside this one. Holds: the same bytes every
time on one machine; computed in float64. The format stands at the head of the file.
"""

import sys
from pathlib import Path

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
from layers import Source, record  # noqa: E402

STEPS, RATE = 3, 0.1

HEADER = f"""\
# Recurrences by PyTorch {torch.__version__} in float64; made by recurrences.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64. A name: case/what; before a colon of the case
# stands the layer.
#   input/NAME      what the layer is given
#   option/NAME     a number that it is called with; what is not named is the default
#   parameter/NAME  its parameters, named as PyTorch's; weights are [in, out], the transpose of PyTorch's
#   output/NAME     what it gives: y, and the last h and c
#   upstream/NAME   the gradients given to these; the loss is the sum of their products
#   gradient/NAME   the one that reaches an input or a parameter
#   losses          the loss before each of {STEPS} steps of plain descent at rate {RATE}
"""

numbers = Source(seed=900)


def turned(name, value):
    return value.T if name.startswith("weight") else value


def case(name, module, inputs, run, options):
    """The records of `run(module, inputs)`, which gives outputs by name."""
    parameters = dict(module.named_parameters())
    for parameter in parameters.values():
        parameter.data = numbers(*parameter.shape)
    leaves = {key: value.requires_grad_() for key, value in inputs.items() if value.is_floating_point()}
    outputs = run(module, inputs)
    upstream = {key: numbers(*value.shape) for key, value in outputs.items()}

    def loss():
        return sum((upstream[key] * value).sum() for key, value in run(module, inputs).items())

    loss().backward()
    for key, value in inputs.items():
        yield record(f"{name}/input/{key}", value.detach())
    for key, value in options.items():
        yield record(f"{name}/option/{key}", [value])
    for key, value in parameters.items():
        yield record(f"{name}/parameter/{key}", turned(key, value.detach()))
    for key, value in outputs.items():
        yield record(f"{name}/output/{key}", value.detach())
        yield record(f"{name}/upstream/{key}", upstream[key])
    for key, value in {**leaves, **parameters}.items():
        assert value.grad.isfinite().all(), (name, key)
        yield record(f"{name}/gradient/{key}", turned(key, value.grad))

    losses, optimizer = [], torch.optim.SGD(parameters.values(), lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss()
        losses.append(value.item())
        value.backward()
        optimizer.step()
    yield record(f"{name}/losses", losses)


def over_time(module, inputs):
    x, lengths = inputs["x"], inputs.get("lengths")
    states = tuple(inputs[key] for key in ("h", "c") if key in inputs)
    start = None if not states else states if len(states) == 2 else states[0]
    if lengths is not None:
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, last = module(x, start)
    if lengths is not None:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=inputs["x"].shape[1])
    last = last if isinstance(last, tuple) else (last,)
    single = module.num_layers == 1 and not module.bidirectional
    return {"y": y, **{key: value[0] if single else value for key, value in zip("hc", last)}}


def one_step(module, inputs):
    states = tuple(inputs[key] for key in ("h", "c") if key in inputs)
    given = module(inputs["x"], states if len(states) == 2 else states[0])
    return dict(zip("hc", given if isinstance(given, tuple) else (given,)))


def built_by(layer, make, states):
    def built(name, dims, units, start=False, lengths=None, **options):
        named = {"num_layers" if key == "layers" else key: value for key, value in options.items()}
        module = make(dims[2], units, batch_first=True, dtype=torch.float64, **named)
        count = options.get("layers", 1) * (2 if options.get("bidirectional") else 1)
        inputs = {"x": numbers(*dims)}
        if start:
            widths = {"h": options.get("proj_size", units)}
            inputs |= {key: numbers(count, dims[0], widths.get(key, units)) for key in states}
        if lengths is not None:
            inputs["lengths"] = torch.tensor(lengths)
        return case(f"{layer}:{name}", module, inputs, over_time, {"units": units, **{k: int(v) for k, v in options.items()}})

    return built


def sequences(layer, make, states):
    built = built_by(layer, make, states)
    yield from built("plain", (2, 4, 3), 2)
    yield from built("start_no_bias", (2, 3, 3), 2, start=True, bias=False)
    yield from built("layers_both_directions", (2, 3, 3), 2, start=True, layers=2, bidirectional=True)
    yield from built("lengths", (4, 3, 2), 2, start=True, lengths=[3, 1, 2, 3])
    yield from built("lengths_both_directions", (3, 4, 2), 2, lengths=[1, 4, 2], layers=2, bidirectional=True)
    yield from built("one_step_of_one", (1, 1, 3), 3)


def cells():
    x, h, c = (2, 3), (2, 4), (2, 4)
    options = {"dtype": torch.float64}
    yield from case("lstm_cell:plain", torch.nn.LSTMCell(3, 4, **options), {"x": numbers(*x), "h": numbers(*h), "c": numbers(*c)}, one_step, {})
    yield from case("gru_cell:plain", torch.nn.GRUCell(3, 4, **options), {"x": numbers(*x), "h": numbers(*h)}, one_step, {})
    yield from case("gru_cell:no_bias", torch.nn.GRUCell(3, 4, bias=False, **options), {"x": numbers(*x), "h": numbers(*h)}, one_step, {"bias": 0})
    yield from case("rnn_cell:relu", torch.nn.RNNCell(3, 4, nonlinearity="relu", **options), {"x": numbers(*x), "h": numbers(*h)}, one_step, {"relu": 1})


def main():
    torch.set_num_threads(1)
    lines = [HEADER]
    lines += sequences("rnn", torch.nn.RNN, "h")
    lines += list(sequences("gru", torch.nn.GRU, "h")) + list(sequences("lstm", torch.nn.LSTM, "hc"))
    lines += cells()
    module = torch.nn.RNN(3, 2, num_layers=2, nonlinearity="relu", batch_first=True, dtype=torch.float64)
    options = {"units": 2, "layers": 2, "relu": 1}
    lines += case("rnn:relu", module, {"x": numbers(2, 3, 3)}, over_time, options)
    built = built_by("lstm", torch.nn.LSTM, "hc")
    lines += built("projected", (2, 4, 3), 3, start=True, proj_size=2)
    lines += built("projected_layers", (3, 4, 2), 3, lengths=[1, 4, 2], layers=2, bidirectional=True, proj_size=1)
    (HERE / "recurrences.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
