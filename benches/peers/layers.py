#!/usr/bin/env python3
"""What a layer alone costs, forward and backward, in PyTorch beside downhill.

    cargo bench --bench layers | benches/peers/layers.py [names]

In: lines `name microseconds` of downhill on standard input. Out: one table, the least time of a pass, and PyTorch's divided by downhill's.
Holds: sizes are those of `benches/layers.rs`; one thread; a pass is the layer forward and the gradients of ½ Σ y²,
or a step of descent of `embedding`.
"""

import sys
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import nn


def attention(batch, time):
    q, k, v = (torch.randn(batch, 4, time, 32, requires_grad=True) for _ in range(3))
    return differentiated(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True), [q, k, v])


def layer(module, shape, by=("x", "weight", "bias")):
    x = torch.randn(shape, requires_grad="x" in by)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in by)
    leaves = ([x] if "x" in by else []) + [p for p in module.parameters() if p.requires_grad]
    if leaves:
        return differentiated(lambda: module(x), leaves)

    @torch.inference_mode()
    def forward():
        module(x)

    return forward


def differentiated(forward, leaves):
    def run():
        y = forward()
        torch.autograd.grad(y, leaves, y.detach())

    return run


def conv(batch, inputs, size, channels, by, kernel=3, stride=1, padding=1, groups=1):
    module = nn.Conv2d(inputs, channels, kernel, stride, padding, groups=groups, bias=False)
    return layer(module, (batch, inputs, size, size), by)


def transposed(by):
    return layer(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), (64, 128, 7, 7), by)


def embedding(count, width, batch):
    table, x = nn.Embedding(count, width), torch.randint(count, (batch,))
    optimizer = torch.optim.SGD(table.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad(set_to_none=True)
        y = table(x)
        y.backward(y.detach())
        optimizer.step()

    return step


FORMS = {"": (), "_by_x": ("x",), "_by_weight": ("weight",)}
INSIDE = {"kernel": 5, "padding": 0}
CONVOLUTIONS = {
    "conv16": ((32, 16, 32, 16), {}),
    "conv32": ((32, 32, 16, 32), {}),
    "conv64": ((32, 64, 8, 64), {}),
    "conv_1_to_6": ((128, 1, 28, 6), INSIDE),
    "conv_6_to_16": ((128, 6, 12, 16), INSIDE),
    "conv_16_to_6": ((128, 16, 12, 6), INSIDE),
    "conv_by_2": ((32, 16, 32, 32), {"stride": 2}),
}
ROWS = {
    "attention_64": lambda: attention(12, 64),
    "attention_512": lambda: attention(4, 512),
    "attention_2048": lambda: attention(1, 2048),
    "batch_norm": lambda: layer(nn.BatchNorm2d(16), (32, 16, 32, 32)),
    "layer_norm": lambda: layer(nn.LayerNorm(128), (768, 128)),
    "depthwise": lambda: conv(8, 128, 28, 128, ("x", "weight"), groups=128),
    "embedding": lambda: embedding(50_000, 128, 4096),
} | {name + form: lambda sizes=sizes, options=options, by=by: conv(*sizes, by, **options)
     for name, (sizes, options) in CONVOLUTIONS.items() for form, by in FORMS.items()} | {
    "transposed" + form: lambda by=by: transposed(by) for form, by in FORMS.items()}


def least(run, seconds=0.5):
    for _ in range(3):
        run()
    times, begin = [], perf_counter()
    while len(times) < 10 or perf_counter() - begin < seconds:
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times) * 1e6


def main():
    torch.set_num_threads(1)
    lines = [] if sys.stdin.isatty() else [line.split() for line in sys.stdin]
    downhill = {line[0]: float(line[1]) for line in lines if len(line) == 2 and line[0] in ROWS}
    print("| layer | downhill | PyTorch |\n| --- | ---: | ---: |")
    for name in sys.argv[1:] or downhill or ROWS:
        peer = least(ROWS[name]())
        own = downhill.get(name)
        shown = f"{own:.0f} µs | {peer:.0f} µs ({peer / own:.2f}×)" if own else f"– | {peer:.0f} µs"
        print(f"| {name} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
