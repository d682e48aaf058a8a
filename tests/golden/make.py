#!/usr/bin/env python3
"""Makes `curves.txt` and `ops.txt` with PyTorch: what downhill's tests take for the truth.

Made with PyTorch 2.15.0, numpy 2.4.6, Python 3.11 on x86-64. Run again, from anywhere:

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/make.py

In: `data/digits.csv.gz` and the generator of `benches/peers`. Out: the two files beside this one. Holds: the same
bytes every time on one machine (one thread, no random numbers but the generator's); computed in float64, so that no
rounding of PyTorch's own widens a test's tolerance. The formats stand at the head of each file.
"""

import gzip
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "benches/peers"))
import generator  # noqa: E402

ROWS, BATCH, STEPS = 256, 32, 60
PICTURE_STEPS = 5

CURVES_HEADER = f"""\
# Training curves by PyTorch {torch.__version__} in float64; made by make.py.
# A line: name, dims joined by `x`, values in row-major order. A name: network/what or network/optimizer/what.
#   x, y                    the data, {ROWS} rows. digits: x is stored as 0..16, the network is fed x / 16
#   initial/PARAMETER       the parameters before the first step. Weights are [in, out], the transpose of PyTorch's
#   OPTIMIZER/lr, …         the optimizer's options, named as PyTorch's; what is not named is PyTorch's default
#   OPTIMIZER/loss          the loss of each step, before its update
#   OPTIMIZER/final/…       the parameters after the last step, rounded to 7 decimals
#   OPTIMIZER/rounding      how far a float32 run of PyTorch is from these: largest relative distance of a loss,
#                           largest absolute distance of a parameter
# Step i, from 0, takes the {BATCH} rows from (i * {BATCH}) mod {ROWS} on. {STEPS} steps. The networks:
#   seed    h = relu(linear(x, 50)); p = sigmoid(linear(h, 1)); loss binary_cross_entropy(p, y)
#   digits  h = relu(linear(x / 16, 32)); logits = linear(h, 10); loss cross_entropy(logits, y), y: class indices
#   pictures  of the data of `digits`, as pictures of one channel, {PICTURE_STEPS} steps: a = relu(conv(x / 16, 4, 3, padding: 1));
#             b = relu(conv(max_pool(a, 2), 6, 3)); logits = linear(flatten(b), 10). Weights of conv are [kernel…, in, out]
# Weight decay is on every parameter, biases too. adam_weight_decay adds to the gradient, adamw is decoupled.
# Inputs and initial parameters are decimals to be read as float32 (and widened for a float64 run).
"""

OPS_HEADER = f"""\
# Elementwise functions, softmax and losses by PyTorch {torch.__version__} in float64; made by make.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64.
# op/NAME:   input; output; upstream, the gradient given to the output; gradient, the one that reaches the input.
#            softmax and log_softmax are over the last axis.
# loss/NAME: input; target; output, the mean; gradient of that mean to the input.
#            Cross-entropy's input is logits [rows, classes], its mean is over the rows.
# lookup/NAME: input; indices; output; upstream; gradient. embedding_padding has the padding index 2, gather_N and
#            index_select_N are along axis N, index_add_0 adds the rows of the input to a result of 4 rows.
# At ties PyTorch's choice stands: relu'(0) = 0, leaky_relu'(0) = slope, elu'(0) = alpha, l1'(0) = 0, hinge' = 0 where
# the margin is exactly 1 (it is a relu). Softplus is computed without PyTorch's threshold at 20, the logistic loss
# without overflow. binary_cross_entropy_edge has p of exactly 0 and 1, where PyTorch clamps the logarithm at -100 and
# the divisor of the gradient at 1e-12. PyTorch's gelu cancels for large negative inputs: compare with an absolute
# tolerance there (1e-14).
"""


def text(value, digits=None):
    value = float(value)
    if digits is not None:
        value = float(f"{value:.{digits}g}")
    return str(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)


def record(name, values, digits=None):
    values = np.asarray(values)
    dims = "x".join(map(str, values.shape)) or "1"
    return f"{name} {dims} {' '.join(text(v, digits) for v in values.ravel())}\n"


# Curves


def float32_of(decimals):
    """Decimals as a reader of the file gets them: rounded to float32."""
    return torch.from_numpy(np.asarray(decimals, dtype=np.float64).astype(np.float32))


def seed_data():
    """256 points of a square; class 1 where both coordinates have one sign."""
    x = np.round(generator.units(1, 2 * ROWS).reshape(ROWS, 2).astype(np.float64), 3)
    y = (x[:, :1] > 0) == (x[:, 1:] > 0)
    return x, y.astype(np.float64)


def digits_data():
    with gzip.open(ROOT / "data/digits.csv.gz", "rt") as file:
        table = np.array([line.split(",") for line in itertools.islice(file, ROWS)], dtype=np.int64)
    return table[:, :64], table[:, 64]


def initial_parameters(layers, widths):
    """{name: decimals}, uniform in ±1/sqrt(in), to 4 places."""
    parameters = {}
    for i, (layer, n, units) in enumerate(zip(layers, widths, widths[1:])):
        uniform = lambda stream, *dims: np.round(
            generator.units(stream, math.prod(dims)).reshape(dims).astype(np.float64) / math.sqrt(n), 4)
        parameters[f"{layer}.weight"] = uniform(16 + 2 * i, n, units)
        parameters[f"{layer}.bias"] = uniform(17 + 2 * i, units)
    return parameters


def optimizers(network):
    """{name: (PyTorch's class, options)}; learning rates at which each network visibly learns in 60 steps."""
    sgd, momentum, adam = {"seed": (0.5, 0.1, 0.02), "digits": (0.3, 0.05, 0.003)}[network]
    return {
        "sgd": (torch.optim.SGD, {"lr": sgd}),
        "sgd_momentum": (torch.optim.SGD, {"lr": momentum, "momentum": 0.9}),
        "sgd_nesterov": (torch.optim.SGD, {"lr": momentum, "momentum": 0.9, "nesterov": True}),
        "sgd_weight_decay": (torch.optim.SGD, {"lr": momentum, "momentum": 0.9, "weight_decay": 0.01}),
        "adam": (torch.optim.Adam, {"lr": adam, "betas": (0.9, 0.999), "eps": 1e-8}),
        "adam_weight_decay": (torch.optim.Adam, {"lr": adam, "weight_decay": 0.01}),
        "adamw": (torch.optim.AdamW, {"lr": adam, "weight_decay": 0.1}),
    } | ({
        "sgd_dampening": (torch.optim.SGD, {"lr": momentum, "momentum": 0.9, "weight_decay": 0.01, "dampening": 0.3}),
        "adam_betas": (torch.optim.Adam, {"lr": adam, "betas": (0.8, 0.95), "eps": 1e-4}),
    } if network == "seed" else {})


def two_layers(x, w1, b1, w2, b2):
    """A ReLU network, its weights kept as [in, out]."""
    return torch.relu(x @ w1 + b1) @ w2 + b2


def of_pictures(x, w1, b1, w2, b2, w3, b3):
    """Two convolutions and a product; weights of convolutions are kept as [kernel…, in, out]."""
    as_torchs = lambda weight: weight.permute(3, 2, 0, 1)
    a = torch.relu(F.conv2d(x.unflatten(1, (1, 8, 8)), as_torchs(w1), b1, padding=1))
    b = torch.relu(F.conv2d(F.max_pool2d(a, 2), as_torchs(w2), b2))
    return b.flatten(1) @ w3 + b3


def train(x, y, parameters, criterion, optimizer_class, options, dtype, network=two_layers, steps=STEPS):
    """(losses, {name: final}) of so many steps."""
    x = x.to(dtype)
    y = y.to(dtype) if y.is_floating_point() else y
    named = {name: float32_of(value).to(dtype).requires_grad_() for name, value in parameters.items()}
    optimizer = optimizer_class(named.values(), **options)
    losses = []
    for step in range(steps):
        rows = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        loss = criterion(network(x[rows], *named.values()), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: value.detach() for name, value in named.items()}


def option_records(path, options):
    for name, value in options.items():
        yield record(f"{path}/{name}", np.ravel(np.float64(value)))


def curve_records(network, x, y, scale, layers, widths, criterion):
    yield record(f"{network}/x", x)
    yield record(f"{network}/y", y)
    parameters = initial_parameters(layers, widths)
    inputs = float32_of(x) * scale
    targets = float32_of(y) if y.ndim == 2 else torch.from_numpy(y)
    yield from trained_records(network, inputs, targets, parameters, criterion, optimizers(network), 0.8)


def trained_records(network, inputs, targets, parameters, criterion, optimizers, learns, *rest):
    """Of a network that brings its loss below `learns` of the first one."""
    for name, value in parameters.items():
        yield record(f"{network}/initial/{name}", value)
    for optimizer, (optimizer_class, options) in optimizers.items():
        path = f"{network}/{optimizer}"
        run = lambda dtype: train(inputs, targets, parameters, criterion, optimizer_class, options, dtype, *rest)
        (losses, final), (losses32, final32) = run(torch.float64), run(torch.float32)
        assert losses[-1] < learns * losses[0] and all(map(math.isfinite, losses)), path
        yield from option_records(path, options)
        loss_distance = max(abs(a - b) / b for a, b in zip(losses32, losses))
        parameter_distance = max((final32[name] - final[name]).abs().max().item() for name in final)
        yield record(f"{path}/rounding", [loss_distance, parameter_distance], 2)
        yield record(f"{path}/loss", losses)
        for name, value in final.items():
            yield record(f"{path}/final/{name}", value.numpy().round(7))


def picture_records():
    x, y = digits_data()
    shapes = {"a.weight": (3, 3, 1, 4), "a.bias": (4,), "b.weight": (3, 3, 4, 6), "b.bias": (6,),
              "logits.weight": (24, 10), "logits.bias": (10,)}
    parameters = {
        name: np.round(generator.units(32 + n, math.prod(dims)).reshape(dims).astype(np.float64) / 4, 4)
        for n, (name, dims) in enumerate(shapes.items())
    }
    momentum = {"sgd_momentum": (torch.optim.SGD, {"lr": 0.2, "momentum": 0.9})}
    yield from trained_records("pictures", float32_of(x) / 16, torch.from_numpy(y), parameters, F.cross_entropy, momentum, 1,
                               of_pictures, PICTURE_STEPS)


def curves():
    binary = lambda z, y: F.binary_cross_entropy(torch.sigmoid(z), y)
    yield from curve_records("seed", *seed_data(), 1.0, ("h", "p"), (2, 50, 1), binary)
    yield from curve_records("digits", *digits_data(), 1 / 16, ("h", "logits"), (64, 32, 10), F.cross_entropy)
    yield from picture_records()


# Ops

POINTS = [-1e4, -100, -30, -20.5, -8, -5, -3, -2, -1.5, -1, -0.7, -0.5, -0.1, -1e-3, -1e-8, 0]
POINTS = POINTS + [-v for v in reversed(POINTS[:-1])]

ROWS_OF_LOGITS = [
    [0.5, -1.2, 3, 0.1, -0.7],
    [2, 2, 2, 2, 2],                       # all tie
    [1, 7, -3, 7, 0],                      # two tie
    [1e4, -1e4, 0, 1, -1],
    [-1e4, -1e4, -1e4, -9999, -1e4],
    [1e4, 1e4, 9998, 1e4, -1e4],
    [0, 0, 0, 0, 0],
    [-30, 12, 11.5, -0.25, 20],
]

softplus = lambda x: torch.logaddexp(x, torch.zeros_like(x))

ELEMENTWISE = {
    "relu": torch.relu,
    "leaky_relu_0.2": lambda x: F.leaky_relu(x, 0.2),
    "elu_1": F.elu,
    "elu_0.7": lambda x: F.elu(x, 0.7),
    "gelu_erf": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}

OVER_LAST_AXIS = {
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
}


def op_records(name, function, values, upstream):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    upstream = torch.tensor(upstream, dtype=torch.float64).expand_as(x)
    y = function(x)
    y.backward(upstream)
    for what, value in (("input", x), ("output", y), ("upstream", upstream), ("gradient", x.grad)):
        assert value.isfinite().all(), (name, what)
        yield record(f"op/{name}/{what}", value.detach())


def loss_cases():
    """(name, function, input, target): values, ties and extremes of each loss."""
    values = [0, 0.5, -0.5, 1, -1, 2.5, -3, 0.25, 100, -1e4, 1e4, 1e-8]
    near = [0, 0, 0, 0, 0, 2, 0.5, 0.25, -100, 1e4, 1e4, -1e-8]
    yield "mse", F.mse_loss, values, near
    yield "l1", F.l1_loss, values, near
    yield "huber_1", F.huber_loss, values, near
    yield "huber_0.5", lambda x, y: F.huber_loss(x, y, delta=0.5), values, near

    margins = [0.3, -0.3, 1, -1, 0, 2, -2, 0.999, 1e4, -1e4, 1e4, -1e4]
    signs = [1, 1, 1, -1, 1, -1, -1, 1, 1, 1, -1, -1]
    yield "hinge", lambda x, y: torch.relu(1 - y * x).mean(), margins, signs
    yield "logistic", logistic, margins, signs
    yield "logistic_moderate", F.soft_margin_loss, margins[:8], signs[:8]

    p = [0.5, 0.5, 0.1, 0.9, 1e-7, 1 - 2**-24, 0.3, 0.7]
    yield "binary_cross_entropy", F.binary_cross_entropy, p, [0, 1, 0, 1, 0, 1, 0.25, 0.9]
    yield "binary_cross_entropy_edge", F.binary_cross_entropy, [0, 1, 0, 1, 0.5], [0, 1, 1, 0, 1]
    z = [0, 0, 2, -2, 1e4, 1e4, -1e4, -1e4, 40, -40, 0.3, 1e-8]
    yield "bce_with_logits", F.binary_cross_entropy_with_logits, z, [0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0.25, 0.5]

    yield "cross_entropy_indices", F.cross_entropy, ROWS_OF_LOGITS, [2, 0, 3, 1, 0, 4, 3, 1]
    yield "cross_entropy_indices_moderate", F.cross_entropy, ROWS_OF_LOGITS[:3], [2, 0, 3]
    shares = [[1, 0, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2], [0.5, 0.25, 0.125, 0.125, 0], [0, 0.5, 0.5, 0, 0]]
    yield "cross_entropy_probabilities", F.cross_entropy, ROWS_OF_LOGITS, shares * 2


def logistic(x, y):
    return softplus(-y * x).mean()


def loss_records(name, function, values, target):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(target) if name.startswith("cross_entropy_indices") else torch.tensor(target, dtype=torch.float64)
    loss = function(x, y)
    loss.backward()
    for what, value in (("input", x), ("target", y), ("output", loss), ("gradient", x.grad)):
        assert value.isfinite().all(), (name, what)
        yield record(f"loss/{name}/{what}", value.detach())


TABLE = [[0.5, -1.25, 3], [2, 0.125, -0.75], [-4, 1, 0.3], [1e-3, 7, -2.5], [0.9, -0.6, 1.5]]


def lookup_cases():
    """(name, function of input and indices, indices): repeated indices, all rows or few."""
    words = [[3, 0, 3], [2, 3, 4]]
    yield "embedding", lambda x, i: F.embedding(i, x), words
    yield "embedding_padding", lambda x, i: F.embedding(i, x, padding_idx=2), words
    yield "gather_0", lambda x, i: torch.gather(x, 0, i), [[4, 0, 4], [4, 1, 0]]
    yield "gather_1", lambda x, i: torch.gather(x, 1, i), [[2, 2], [0, 1], [1, 0], [2, 2], [0, 0]]
    yield "index_select_0", lambda x, i: torch.index_select(x, 0, i), [1, 1, 4, 0, 1]
    yield "index_select_1", lambda x, i: torch.index_select(x, 1, i), [2, 0, 2, 2]
    yield "pick_1", lambda x, i: torch.gather(x, 1, i[:, None])[:, 0], [2, 0, 1, 1, 2]
    yield "index_add_0", lambda x, i: torch.zeros(4, 3, dtype=x.dtype).index_add(0, i, x), [3, 0, 3, 3, 1]


def lookup_records(name, function, indices):
    x = torch.tensor(TABLE, dtype=torch.float64, requires_grad=True)
    indices = torch.tensor(indices)
    y = function(x, indices)
    upstream = np.round(generator.units(11, y.numel()).astype(np.float64), 3).round(3).reshape(y.shape)
    upstream = torch.tensor(upstream, dtype=torch.float64)
    y.backward(upstream)
    recorded = {"input": x, "indices": indices, "output": y, "upstream": upstream, "gradient": x.grad}
    for what, value in recorded.items():
        yield record(f"lookup/{name}/{what}", value.detach())


def ops():
    for name, function in ELEMENTWISE.items():
        yield from op_records(name, function, POINTS, 1.0)
    upstream = np.round(generator.units(9, 5 * len(ROWS_OF_LOGITS)), 3).astype(np.float64).reshape(-1, 5).round(3)
    for name, function in OVER_LAST_AXIS.items():
        yield from op_records(name, function, ROWS_OF_LOGITS, upstream)
    for case in loss_cases():
        yield from loss_records(*case)
    for case in lookup_cases():
        yield from lookup_records(*case)


def main():
    torch.set_num_threads(1)
    for name, header, records in (("curves.txt", CURVES_HEADER, curves()), ("ops.txt", OPS_HEADER, ops())):
        content = header + "".join(records)
        (HERE / name).write_text(content)
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
