"""PyTorch's side: eager, and through torch.compile.

In: a workload. Out: the seconds of each timed step, and the losses of a run from the initial weights.
Holds: batches are prepared before the clock starts; a step is zero_grad, forward, loss, backward, update.
"""

import re
from time import perf_counter_ns

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import torch_networks
from workloads import Elementwise, check_gradient


def versions():
    """PyTorch's version with the libraries its products go through."""
    config = torch.__config__.show()
    blas = re.search(r"BLAS_INFO=(\w+)", config)
    mkldnn = re.search(r"MKL-DNN v([\w.]+)", config)
    path = [blas.group(1) if blas else "unknown BLAS"] + ([f"oneDNN {mkldnn.group(1)}"] if mkldnn else [])
    capability = torch.backends.cpu.get_cpu_capability()
    return f"PyTorch {torch.__version__} ({', '.join(path)}, {capability})"


def set_threads(threads):
    torch.set_num_threads(threads)


def build_model(workload, dtype=torch.float32):
    return dense(workload, dtype) if workload.network == "dense" else torch_networks.build(workload, dtype)


def dense(workload, dtype):
    layers, convolutions = [], len(workload.convolutions)
    for i, (weight, bias) in enumerate(workload.parameters):
        is_convolution = i < convolutions
        *kernel, n, units = weight.shape
        layer = nn.Conv2d(n, units, kernel, dtype=dtype) if is_convolution else nn.Linear(n, units, dtype=dtype)
        with torch.no_grad():                                           # PyTorch keeps [out, in], [out, in, kernel, kernel]
            layer.weight.copy_(torch.from_numpy(np.moveaxis(weight, (-1, -2), (0, 1)).copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()] + ([nn.MaxPool2d(2)] if is_convolution else [])
        layers += [nn.Flatten()] if i + 1 == convolutions else []
    layers[-1:] = [nn.Sigmoid()] if workload.binary else []
    return nn.Sequential(*layers)


def batches(workload, dtype=torch.float32):
    x = torch.from_numpy(workload.x)
    x = x if workload.of_letters else x.to(dtype)
    y = torch.from_numpy(workload.y)
    y = y.to(dtype) if workload.binary else y
    return [(x[rows], y[rows]) for rows in torch.from_numpy(workload.order)]


def training_run(workload, compiled=False, dtype=torch.float32):
    """A function that trains from the initial weights for `workload.steps` steps: (seconds a step, losses)."""
    model = build_model(workload, dtype)
    initial = [p.detach().clone() for p in model.parameters()]
    criterion = F.binary_cross_entropy if workload.binary else F.cross_entropy
    flat = (lambda z, y: (z.flatten(0, 1), y.flatten())) if workload.of_letters else (lambda z, y: (z, y))
    loss_of = lambda x, y: criterion(*flat(model(x), y))
    loss_of = torch.compile(loss_of) if compiled else loss_of
    optimizer_of = getattr(torch.optim, workload.optimizer)
    data = batches(workload, dtype)

    def run():
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), initial):
                parameter.copy_(value)
        optimizer = optimizer_of(model.parameters(), lr=workload.learning_rate)
        times, losses = [], []
        for step in range(workload.steps):
            x, y = data[step % len(data)]
            begin = perf_counter_ns()
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(x, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            times.append(perf_counter_ns() - begin)
        return [t * 1e-9 for t in times], torch.stack(losses).tolist()

    return run


def inference_run(workload, compiled=False):
    """A function that calls the model once for each row in order: (seconds a call, None)."""
    model = build_model(workload).eval()
    model = torch.compile(model) if compiled else model
    data = [x for x, _ in batches(workload)]

    @torch.inference_mode()
    def run():
        times = []
        for step in range(workload.steps):
            x = data[step % len(data)]
            begin = perf_counter_ns()
            model(x)
            times.append(perf_counter_ns() - begin)
        return [t * 1e-9 for t in times], None

    return run


def elementwise(x):
    return (F.gelu(x) * torch.sigmoid(x) + torch.tanh(x)).sum()


def elementwise_run(workload, compiled=False):
    """A function that sums the formula and differentiates the sum: (seconds a time, sums). Its gradient is asserted."""
    x = torch.from_numpy(workload.x).requires_grad_()
    formula = torch.compile(elementwise) if compiled else elementwise

    def run():
        times, sums = [], []
        for _ in range(workload.steps):
            begin = perf_counter_ns()
            x.grad = None
            total = formula(x)
            total.backward()
            times.append(perf_counter_ns() - begin)
            sums.append(total.item())
        check_gradient(workload, x.grad, "PyTorch")
        return [t * 1e-9 for t in times], sums

    return run


def peers(with_compile):
    """{name: workload -> run}"""
    def maker(compiled):
        def run_of(w):
            if isinstance(w, Elementwise):
                return elementwise_run(w, compiled)
            return training_run(w, compiled) if w.training else inference_run(w, compiled)

        return run_of

    return {"torch_eager": maker(False)} | ({"torch_compile": maker(True)} if with_compile else {})
