#!/usr/bin/env python3
"""Times the workloads in PyTorch and JAX and writes `target/peers.json`; what is not installed is skipped in one line.

In: options below. Out: {"machine": …, "seconds_per_step": {workload: {peer: seconds}}}, the median of the steps' times.
Holds: one thread unless `--threads` says more; every run starts from the same initial weights, stores each step's loss,
and its last and mean loss are asserted against `golden_final_loss.txt`.
"""

import argparse
import json
import os
import statistics
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from table import TARGET, cpu_name


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", help="names; none: all but the slow ones")
    parser.add_argument("--slow", action="store_true", help="mlp2048_b256 too")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="timed for at least so long a workload and peer")
    parser.add_argument("--out", type=Path, default=TARGET / "peers.json")
    parser.add_argument("--bless", action="store_true", help="write golden_final_loss.txt from PyTorch and stop")
    return parser.parse_args()


def restrict_threads(threads):
    """Pins the process, before a peer is imported: XLA counts the processors it may run on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    if threads == 1:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def import_peers(options):
    """({peer: workload -> run}, [versions]) of what is installed."""
    found, versions = {}, []
    try:
        import torch_peer

        torch_peer.set_threads(options.threads)
        found |= torch_peer.peers(options.compile)
        versions.append(torch_peer.versions())
    except ImportError as error:
        print(f"PyTorch skipped: {error}")
    try:
        import jax_peer

        found |= jax_peer.peers()
        versions.append(jax_peer.versions())
    except ImportError as error:
        print(f"JAX skipped: {error}")
    return found, versions


def measure(workload, run, peer, seconds):
    """The median time of a step: whole runs, each asserted, after one that warms up; at least three."""
    from workloads import check_losses

    samples, runs, begin = [], 0, None
    while True:
        times, losses = run()
        if losses is not None:
            check_losses(workload, losses, peer)
        if begin is None:                              # the first run compiled and warmed up
            begin = time.perf_counter()
            continue
        samples += times
        runs += 1
        if runs >= 3 and time.perf_counter() - begin >= seconds:
            return statistics.median(samples)


def chosen_workloads(options):
    from workloads import SLOW, WORKLOADS

    names = options.workloads or [w.name for w in WORKLOADS if options.slow or w.name not in SLOW]
    unknown = sorted(set(names) - {w.name for w in WORKLOADS})
    if unknown:
        sys.exit(f"no workload `{unknown[0]}`; there are {', '.join(w.name for w in WORKLOADS)}")
    return [w for w in WORKLOADS if w.name in names]


def main():
    options = parse_arguments()
    restrict_threads(options.threads)
    try:
        import numpy  # noqa: F401, what the data are made with
    except ImportError as error:
        print(f"peers skipped: {error}")
        return
    if options.bless:
        import bless

        bless.write()
        return
    found, versions = import_peers(options)
    results = {}
    for workload in chosen_workloads(options):
        row = results[workload.name] = {}
        for peer, make_run in found.items():
            run = make_run(workload)
            if run is not None:
                row[peer] = measure(workload, run, peer, options.seconds)
                print(f"{workload.name:14} {peer:14} {row[peer] * 1e6:12.2f} µs a step", flush=True)
    machine = {"cpu": cpu_name(), "threads": options.threads, "versions": versions,
               "date": datetime.now(timezone.utc).isoformat(timespec="minutes")}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine, "seconds_per_step": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
