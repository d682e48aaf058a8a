#!/usr/bin/env python3
"""Makes `batch_norm.txt` with PyTorch: what downhill's tests of `batch_norm` take for the truth.

Run as `make.py` beside it, whose helpers it uses. Out: the file beside this one, computed in float64; the format stands at its head.
"""

import math

import numpy as np
import torch

from make import HERE, float32_of, generator, record

ROWS, BATCH, STEPS = 16, 8, 5

HEADER = f"""\
# Batch normalisation by PyTorch {torch.__version__.split("+")[0]} in float64; made by batch_norm.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64. Inputs are float32 numbers.
# op/CASE:    momentum, eps; input, weight, bias; upstream, given to the output; output in training; gradient/input, weight, bias;
#             direction, and second: the gradient by the input of the sum of gradient/input · direction;
#             running_mean, running_var after one batch, starting at 0 and 1; inference: the output with those.
# curve/CASE: {STEPS} steps of SGD with momentum 0.9 on z = x @ w; p = tanh(batch_norm(z)); loss mean((p - y)²). Step i takes the {BATCH} rows from
#             (i * {BATCH}) mod {ROWS} on. momentum, eps, lr; x, y, initial/w; loss before each update; final/w, weight, bias, running_mean,
#             running_var; inference: p of all rows after the last step.
"""

# name: (dims, momentum, eps)
OPS = {
    "rows": ((6, 4), 0.1, 1e-5),
    "spatial": ((3, 2, 3, 4), 0.3, 1e-3),
    "sequence": ((4, 3, 5), 1.0, 1e-5),
    "offset": ((8, 2), 0.1, 1e-5),
}

# name: (dims of x, columns of w, momentum, eps)
CURVES = {
    "rows": ((ROWS, 5), 3, 0.1, 1e-5),
    "spatial": ((ROWS, 3, 4, 5), 4, 0.25, 1e-3),
}


def numbers(stream, dims, scale=1.0):
    values = generator.units(stream, math.prod(dims)).reshape(dims).astype(np.float64) * scale
    return float32_of(np.round(values, 3)).to(torch.float64)


def op_records(number, name, dims, momentum, eps):
    stream = 100 + 10 * number
    x = numbers(stream, dims, 2.0)
    if name == "offset":
        # A mean far from 0 beside its variance.
        x = float32_of(x.numpy() + 1000.0).to(torch.float64)
    x.requires_grad_()
    upstream, direction = numbers(stream + 1, dims), numbers(stream + 2, dims)
    layer = torch.nn.BatchNorm1d if len(dims) < 4 else torch.nn.BatchNorm2d
    layer = layer(dims[1], eps=eps, momentum=momentum, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(1.0 + numbers(stream + 3, (dims[1],)))
        layer.bias.copy_(numbers(stream + 4, (dims[1],)))

    output = layer(x)
    slopes = torch.autograd.grad((output * upstream).sum(), [x, layer.weight, layer.bias], create_graph=True)
    (second,) = torch.autograd.grad((slopes[0] * direction).sum(), x)
    layer.eval()
    inference = layer(x)

    found = {
        "momentum": [momentum], "eps": [eps], "input": x, "weight": layer.weight, "bias": layer.bias, "upstream": upstream,
        "output": output, "gradient/input": slopes[0], "gradient/weight": slopes[1], "gradient/bias": slopes[2],
        "direction": direction, "second": second, "running_mean": layer.running_mean, "running_var": layer.running_var,
        "inference": inference,
    }
    for what, value in found.items():
        yield record(f"op/{name}/{what}", torch.as_tensor(value, dtype=torch.float64).detach())


def curve_records(number, name, dims, columns, momentum, eps):
    stream, lr = 200 + 10 * number, 0.2
    x, y = numbers(stream, dims, 2.0), numbers(stream + 1, (*dims[:-1], columns))
    w = numbers(stream + 2, (dims[-1], columns))
    initial = w.clone()
    layer = torch.nn.BatchNorm1d if len(dims) < 4 else torch.nn.BatchNorm2d
    channels = columns if len(dims) == 2 else dims[1]
    layer = layer(channels, eps=eps, momentum=momentum, dtype=torch.float64)
    w.requires_grad_()
    optimizer = torch.optim.SGD([w, *layer.parameters()], lr=lr, momentum=0.9)

    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        loss = ((torch.tanh(layer(x[rows] @ w)) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], (name, losses)
    layer.eval()

    found = {
        "momentum": [momentum], "eps": [eps], "lr": [lr], "x": x, "y": y, "initial/w": initial, "loss": losses, "final/w": w,
        "final/weight": layer.weight, "final/bias": layer.bias, "final/running_mean": layer.running_mean,
        "final/running_var": layer.running_var, "inference": torch.tanh(layer(x @ w)),
    }
    for what, value in found.items():
        yield record(f"curve/{name}/{what}", torch.as_tensor(value, dtype=torch.float64).detach())


def main():
    torch.set_num_threads(1)
    records = [line for number, (name, case) in enumerate(OPS.items()) for line in op_records(number, name, *case)]
    records += [line for number, (name, case) in enumerate(CURVES.items()) for line in curve_records(number, name, *case)]
    content = HEADER + "".join(records)
    (HERE / "batch_norm.txt").write_text(content)
    print(f"batch_norm.txt: {len(content)} bytes")


if __name__ == "__main__":
    main()
