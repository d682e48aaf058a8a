#!/usr/bin/env python3
"""Prints one table: downhill's steps as Criterion measured them, beside the peers', with ratios (peer / downhill).

In: `target/criterion/step/<workload>/new/estimates.json` (median, nanoseconds a step), `target/peers.json`, and
`target/machine.txt`; each may be absent. Out: Markdown on standard output. Needs nothing but Python.
`step/<workload>_call` stands for downhill with one step a call, where the bench measures that too, and
`compile/<workload>_first_step` for the time from the declaration to the end of the first step.
"""

import json
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORKLOADS = ["seed_b1", "seed_b64", "mlp_b1", "mlp_b64", "mlp512_b128", "mlp2048_b256", "lenet_b128", "resnet20_b32",
             "gpt_b12", "lstm_b32", "eltwise_1M", "infer_seed_b1", "infer_mlp_b1"]
PEERS = {
    "torch_eager": "PyTorch eager",
    "torch_compile": "torch.compile",
    "jax_step": "JAX, a step a call",
    "jax_scan": "JAX, n steps in a scan",
}


def criterion_seconds(name, group="step"):
    path = TARGET / "criterion" / group / name / "new/estimates.json"
    if not path.exists():
        return None
    return json.loads(path.read_text())["median"]["point_estimate"] * 1e-9


def read_peers():
    path = TARGET / "peers.json"
    return json.loads(path.read_text()) if path.exists() else {"machine": None, "seconds_per_step": {}}


def duration(seconds):
    """Three digits with a unit."""
    if seconds is None:
        return "–"
    unit, scale = ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{three_digits(seconds * scale)} {unit}"


def three_digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def cell(peer, downhill):
    if peer is None or downhill is None:
        return duration(peer)
    return f"{duration(peer)} ({three_digits(peer / downhill)}×)"


def first_line(command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return None


def downhill_version():
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    commit, rustc = first_line(["git", "rev-parse", "--short", "HEAD"]), first_line(["rustc", "--version"])
    details = ", ".join(filter(None, [commit, rustc]))
    return f"downhill {found.group(1) if found else '?'} ({details})"


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def rows(peers):
    measured = peers["seconds_per_step"]
    shown = [peer for peer in PEERS if any(peer in row for row in measured.values())]
    calls = {name: criterion_seconds(f"{name}_call") for name in WORKLOADS}
    with_calls = any(calls.values())
    firsts = {name: criterion_seconds(f"{name}_first_step", "compile") for name in WORKLOADS}
    with_firsts = any(firsts.values())
    yield (["workload", "downhill"] + ["downhill, a step a call"] * with_calls + [PEERS[peer] for peer in shown]
           + ["downhill, to the end of the first step"] * with_firsts)
    yield ["---"] + ["---:"] * (1 + with_calls + len(shown) + with_firsts)
    for name in WORKLOADS:
        downhill, row = criterion_seconds(name), measured.get(name, {})
        if downhill is None and not row:
            continue
        call = [duration(calls[name])] if with_calls else []
        first = [duration(firsts[name])] if with_firsts else []
        yield [name, duration(downhill)] + call + [cell(row.get(peer), downhill) for peer in shown] + first


def main():
    peers = read_peers()
    machine = peers["machine"] or {}
    now = datetime.now(timezone.utc).isoformat(timespec="minutes")
    print("Median of one step; in brackets the peer's time divided by downhill's.\n")
    for row in rows(peers):
        print("| " + " | ".join(row) + " |")
    print(f"\n{'; '.join([downhill_version()] + machine.get('versions', []))}.")
    if (path := TARGET / "machine.txt").exists():
        print(f"This machine, as downhill measured it in the same run: {path.read_text().strip()}.")
    measured = f"everyone on {machine['threads']} thread(s), {machine['date']}" if machine else "no peer was measured"
    print(f"{cpu_name()}; {measured}; printed {now}.")


if __name__ == "__main__":
    main()
