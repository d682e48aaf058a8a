#!/usr/bin/env python3
"""Makes `optimizers.txt`: what downhill's tests of optimizers take for the truth.

Made with PyTorch 2.15.0, numpy 2.4.6, Python 3.11 on x86-64. Run again, from anywhere:

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/optimizers.py

In: the generator of `benches/peers`. Out: the file beside this one. Holds: the same bytes every time on one machine (one
thread, no random numbers but the generator's); computed in float64. The format stands at the head of the file.
"""

import math
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.optim import swa_utils

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "benches/peers"))
import generator  # noqa: E402

STEPS, RECORDED = 9, (1, 9)

HEADER = f"""\
# Steps of optimizers in float64; made by optimizers.py: by PyTorch {torch.__version__} where it has the optimizer, else (lion,
# lamb, schedule_free) by numpy as the papers write them.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64.
#   initial/PARAMETER     the parameters before the first step; wide and tall are matrices [in, out], the transpose of PyTorch's
#   gradient/PARAMETER    the gradients of {STEPS} steps, whatever the parameters are
#   CASE/STEP/PARAMETER   the parameters after a step, from 1
#   CASE/STEP/PARAMETER.average   their averages, where a case keeps any
"""

SHAPES = {"wide": (3, 4), "tall": (4, 2), "bias": (4,)}


def text(value):
    value = float(value)
    return str(int(value)) if abs(value) < 1e6 and value == int(value) else repr(value)


def record(name, values):
    values = np.asarray(values)
    dims = "x".join(map(str, values.shape)) or "1"
    return f"{name} {dims} {' '.join(text(v) for v in values.ravel())}\n"


def numbers(seed, *dims):
    """Numbers in [-1, 1) of 1000 steps to 1."""
    units = generator.units(seed, math.prod(dims)).astype(np.float64)
    return (np.round(units * 1000) / 1000).reshape(dims)


def initial():
    return {name: numbers(300 + n, *dims) for n, (name, dims) in enumerate(SHAPES.items())}


def gradients():
    """Of every step. An element never has a gradient, others sometimes; some are large, some tiny, and some equal the last ones."""
    all = {name: numbers(310 + n, STEPS, *dims) for n, (name, dims) in enumerate(SHAPES.items())}
    for values in all.values():
        flat = values.reshape(STEPS, -1)
        flat[:, 0] = 0
        flat[:6, 1] = 0
        flat[:, 2] *= 1e4
        flat[:, 3] *= 1e-6
        flat[5] = flat[4]
    return all


# PyTorch's


def as_torchs(values):
    """A matrix as PyTorch has it, [out, in]."""
    return torch.from_numpy(np.array(values.T if values.ndim == 2 else values, order="C"))


def as_ours(tensor):
    values = tensor.detach().numpy().copy()
    return values.T if values.ndim == 2 else values


def by_torch(make, before=lambda parameters: None, average=None, names=tuple(SHAPES)):
    """{step: {name: values}}: `make` gives the optimizers of named parameters, `before` changes gradients."""
    parameters = {name: as_torchs(initial()[name]).requires_grad_() for name in names}
    optimizers = make(parameters)
    module = torch.nn.ParameterDict({name: torch.nn.Parameter(value) for name, value in parameters.items()})
    averaged = swa_utils.AveragedModel(module, **average) if average is not None else None
    found = {}
    for step in range(STEPS):
        for name, value in parameters.items():
            value.grad = as_torchs(gradients()[name][step])
        before(list(parameters.values()))
        for optimizer in optimizers:
            optimizer.step()
        found[step + 1] = {name: as_ours(value) for name, value in parameters.items()}
        if averaged is not None:
            with torch.no_grad():
                for name, value in parameters.items():
                    module[name].copy_(value)
            averaged.update_parameters(module)
            found[step + 1] |= {f"{name}.average": as_ours(averaged.module[name]) for name in parameters}
    return found


def plain(optimizer_class, **options):
    return by_torch(lambda parameters: [optimizer_class(parameters.values(), **options)])


def of_torch():
    optim = torch.optim
    yield "rmsprop", plain(optim.RMSprop)
    yield "rmsprop_momentum", plain(optim.RMSprop, lr=0.02, alpha=0.9, eps=1e-6, momentum=0.9, weight_decay=0.1)
    yield "rmsprop_centered", plain(optim.RMSprop, lr=0.02, centered=True, maximize=True)
    yield "adagrad", plain(optim.Adagrad)
    yield "adagrad_options", plain(optim.Adagrad, lr=0.1, lr_decay=0.2, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-4)
    yield "adadelta", plain(optim.Adadelta)
    yield "adadelta_options", plain(optim.Adadelta, lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1)
    yield "adamax", plain(optim.Adamax)
    yield "adamax_options", plain(optim.Adamax, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
    yield "nadam", plain(optim.NAdam)
    yield "nadam_options", plain(optim.NAdam, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, momentum_decay=0.1)
    yield "nadam_decoupled", plain(optim.NAdam, lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)
    yield "radam", plain(optim.RAdam)
    yield "radam_options", plain(optim.RAdam, lr=0.05, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)
    yield "radam_decoupled", plain(optim.RAdam, lr=0.05, betas=(0.9, 0.8), weight_decay=0.1, decoupled_weight_decay=True)
    yield "radam_short", plain(optim.RAdam, lr=0.05, betas=(0.9, 0.5))
    yield "amsgrad", plain(optim.Adam, amsgrad=True)
    yield "amsgrad_decoupled", plain(optim.AdamW, lr=0.05, betas=(0.8, 0.7), amsgrad=True)
    yield "rprop", plain(optim.Rprop)
    yield "rprop_options", plain(optim.Rprop, lr=0.1, etas=(0.4, 1.5), step_sizes=(0.05, 0.2))
    yield from muons()


def muons():
    """In float64: PyTorch's own iteration rounds to bfloat16."""
    others = lambda parameters, lr, **options: torch.optim.AdamW([parameters["bias"]], lr=lr, **options)
    matrices = lambda parameters: [parameters["wide"], parameters["tall"]]
    with mock.patch.object(torch, "bfloat16", torch.float64):
        yield "muon", by_torch(lambda p: [torch.optim.Muon(matrices(p)), others(p, 1e-3)])
        yield "muon_options", by_torch(lambda p: [
            torch.optim.Muon(matrices(p), lr=0.02, weight_decay=0.05, momentum=0.8, nesterov=False, eps=0.1, ns_steps=3,
                             ns_coefficients=(2.0, -1.5, 0.5), adjust_lr_fn="match_rms_adamw"),
            others(p, 0.005, weight_decay=0.0)])
        yield "muon_spectral", by_torch(lambda p: [
            torch.optim.Muon(matrices(p), lr=0.02, adjust_lr_fn="spectral_unclamped"), others(p, 0.02)])


def around():
    """What surrounds optimizers."""
    utils = torch.nn.utils
    sgd = lambda parameters: [torch.optim.SGD(parameters.values(), lr=0.1)]
    yield "clip_value", by_torch(sgd, lambda p: utils.clip_grad_value_(p, 0.3))
    yield "clip_norm", by_torch(sgd, lambda p: utils.clip_grad_norm_(p, 1.5))
    yield "clip_norm_1", by_torch(sgd, lambda p: utils.clip_grad_norm_(p, 1.5, norm_type=1))
    yield "clip_norm_3", by_torch(sgd, lambda p: utils.clip_grad_norm_(p, 1.5, norm_type=3))
    yield "clip_norm_greatest", by_torch(sgd, lambda p: utils.clip_grad_norm_(p, 0.5, norm_type=math.inf))
    yield "clip_each_norm", by_torch(sgd, lambda p: [utils.clip_grad_norm_([one], 1.5) for one in p])

    yield "groups", by_torch(lambda p: [torch.optim.AdamW([
        {"params": [p["wide"]]},
        {"params": [p["tall"]], "lr": 0.005, "weight_decay": 0.3},
        {"params": [p["bias"]], "weight_decay": 0.0}], lr=0.01)])
    yield "groups_rules", by_torch(lambda p: [
        torch.optim.NAdam([p["wide"]], lr=0.01), torch.optim.NAdam([p["tall"]], lr=0.02, betas=(0.8, 0.9)),
        torch.optim.SGD([p["bias"]], lr=0.1)])

    average = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.8)}
    yield "average", by_torch(sgd, average=average)
    yield "average_all", by_torch(sgd, average={})


# The papers'


def by_formula(step_of):
    """{step: {name: values}}: `step_of(name, w)` gives a function of (t, g) to {"": w} and further values."""
    found = {}
    steps = {name: step_of(value) for name, value in initial().items()}
    for t in range(1, STEPS + 1):
        found[t] = {}
        for name, step in steps.items():
            for what, value in step(t, gradients()[name][t - 1]).items():
                found[t][name + what] = value
    return found


def lion(rate, betas=(0.9, 0.99), decay=0.0):
    """Chen et al. 2023, algorithm 2."""
    def start(w):
        m = np.zeros_like(w)

        def step(t, g):
            nonlocal w, m
            c = betas[0] * m + (1 - betas[0]) * g
            w = w - rate * (np.sign(c) + decay * w)
            m = betas[1] * m + (1 - betas[1]) * g
            return {"": w}
        return step
    return by_formula(start)


def lamb(rate, betas=(0.9, 0.999), eps=1e-6, decay=0.01):
    """You et al. 2020, algorithm 2, with φ(z) = z."""
    def start(w):
        m, v = np.zeros_like(w), np.zeros_like(w)

        def step(t, g):
            nonlocal w, m, v
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g * g
            r = m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
            u = r + decay * w
            length, moved = np.linalg.norm(w), np.linalg.norm(u)
            w = w - rate * (length / moved if length > 0 and moved > 0 else 1.0) * u
            return {"": w}
        return step
    return by_formula(start)


def schedule_free(rate, betas=(0.9, 0.999), eps=1e-8, decay=0.0, warmup=0):
    """Defazio et al. 2024, algorithm 1."""
    def start(w):
        x, z, v, total = w, w, np.zeros_like(w), 0.0

        def step(t, g):
            nonlocal x, z, v, total
            y = (1 - betas[0]) * z + betas[0] * x
            v = betas[1] * v + (1 - betas[1]) * g * g
            gamma = rate * math.sqrt(1 - betas[1] ** t) * (min(1, t / warmup) if warmup else 1)
            z = z - gamma * g / (np.sqrt(v) + eps) - gamma * decay * y
            total += gamma ** 2
            c = gamma ** 2 / total
            x = (1 - c) * x + c * z
            return {"": (1 - betas[0]) * z + betas[0] * x, ".average": x}
        return step
    return by_formula(start)


def of_papers():
    yield "lion", lion(1e-4)
    yield "lion_options", lion(0.02, (0.8, 0.95), 0.1)
    yield "lamb", lamb(1e-3)
    yield "lamb_options", lamb(0.05, (0.8, 0.95), 1e-3, 0.0)
    yield "schedule_free", schedule_free(2.5e-3)
    yield "schedule_free_options", schedule_free(0.05, (0.7, 0.95), 1e-3, 0.1, 4)


def main():
    torch.set_num_threads(1)
    # NAdam's product of momenta is a scalar of the default type.
    torch.set_default_dtype(torch.float64)
    lines = [HEADER]
    lines += [record(f"initial/{name}", value) for name, value in initial().items()]
    lines += [record(f"gradient/{name}", value) for name, value in gradients().items()]
    for cases in (of_torch(), around(), of_papers()):
        for case, found in cases:
            for step in RECORDED:
                for name, value in found[step].items():
                    assert np.isfinite(value).all(), (case, name)
                    lines.append(record(f"{case}/{step}/{name}", value))
    (HERE / "optimizers.txt").write_text("".join(lines))


main()
