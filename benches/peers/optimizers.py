#!/usr/bin/env python3
"""What a step of each optimizer costs in PyTorch beside downhill: forward, loss, backward and update of 784-512-512-10 at batch 128.

    cargo bench --bench optimizers | benches/peers/optimizers.py [names]

In: lines `name microseconds` of downhill on standard input. Out: one table, the least time of a step, and PyTorch's divided by downhill's.
Holds: names and options are those of `benches/optimizers.rs`; one thread; of the forms that PyTorch has of an optimizer (a loop, `foreach`,
`fused`) the fastest counts. What PyTorch does not have is timed in downhill alone.
"""

import sys
from time import perf_counter

import torch
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def plain(kind, **options):
    return lambda net, form: kind(net.parameters(), **options, **form)


class Muon:
    """Matrices by Muon, the others by AdamW."""

    def __init__(self, net, form):
        matrices = [p for p in net.parameters() if p.ndim == 2]
        self.parts = [optim.Muon(matrices, lr=1e-3),
                      optim.AdamW([p for p in net.parameters() if p.ndim != 2], lr=1e-3, weight_decay=0.01)]

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()


class Clipped(optim.Adam):
    def step(self):
        nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], 1.0)
        super().step()


class Averaged:
    def __init__(self, net, form):
        self.net, self.inner = net, optim.Adam(net.parameters(), lr=1e-3, **form)
        self.average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    def zero_grad(self):
        self.inner.zero_grad()

    def step(self):
        self.inner.step()
        self.average.update_parameters(self.net)


LOOP, FOREACH, FUSED = {}, {"foreach": True}, {"fused": True}
ROWS = {
    "sgd": (plain(optim.SGD, lr=1e-3), [LOOP, FOREACH, FUSED]),
    "momentum": (plain(optim.SGD, lr=1e-3, momentum=0.9), [LOOP, FOREACH, FUSED]),
    "nesterov": (plain(optim.SGD, lr=1e-3, momentum=0.9, nesterov=True), [LOOP, FOREACH, FUSED]),
    "adam": (plain(optim.Adam, lr=1e-3), [LOOP, FOREACH, FUSED]),
    "amsgrad": (plain(optim.Adam, lr=1e-3, amsgrad=True), [LOOP, FOREACH, FUSED]),
    "adamw": (plain(optim.AdamW, lr=1e-3), [LOOP, FOREACH, FUSED]),
    "nadam": (plain(optim.NAdam, lr=1e-3), [LOOP, FOREACH]),
    "radam": (plain(optim.RAdam, lr=1e-3), [LOOP, FOREACH]),
    "adamax": (plain(optim.Adamax, lr=1e-3), [LOOP, FOREACH]),
    "adagrad": (plain(optim.Adagrad, lr=1e-3), [LOOP, FOREACH, FUSED]),
    "adadelta": (plain(optim.Adadelta, lr=1e-3), [LOOP, FOREACH]),
    "rmsprop": (plain(optim.RMSprop, lr=1e-3), [LOOP, FOREACH]),
    "rprop": (plain(optim.Rprop, lr=1e-4), [LOOP, FOREACH]),
    "muon": (Muon, [LOOP]),
    "adam_clip_norm": (plain(Clipped, lr=1e-3), [LOOP, FOREACH, FUSED]),
    "adam_average": (Averaged, [LOOP, FOREACH, FUSED]),
}


def least(kind, form, seconds=1.0):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer, loss = kind(net, form), nn.CrossEntropyLoss()
    x, y = torch.rand(128, 784) * 2 - 1, torch.randint(10, (128,))

    def step():
        optimizer.zero_grad()
        loss(net(x), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    times, begin = [], perf_counter()
    while len(times) < 10 or perf_counter() - begin < seconds:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return min(times) * 1e6


def main():
    torch.set_num_threads(1)
    lines = [] if sys.stdin.isatty() else [line.split() for line in sys.stdin]
    downhill = {line[0]: float(line[1]) for line in lines if len(line) == 2 and line[1][0].isdigit()}
    print("| optimizer | downhill | PyTorch |\n| --- | ---: | ---: |")
    for name in sys.argv[1:] or downhill or ROWS:
        own = downhill.get(name)
        shown = f"{own / 1000:.2f} ms" if own else "–"
        if name in ROWS:
            kind, forms = ROWS[name]
            peer = min(least(kind, form) for form in forms)
            ratio = f" ({peer / own:.2f}×)" if own else ""
            print(f"| {name} | {shown} | {peer / 1000:.2f} ms{ratio} |", flush=True)
        else:
            print(f"| {name} | {shown} | – |", flush=True)


if __name__ == "__main__":
    main()
