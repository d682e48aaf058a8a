#!/usr/bin/env python3
"""Makes `layers.txt` with PyTorch: what downhill's tests of layers take for the truth.

Made with PyTorch 2.15.0, numpy 2.4.6, Python 3.11 on x86-64. Run again, from anywhere:

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/layers.py

In: the generator of `benches/peers`. Out: the file beside this one. Holds: the same bytes every time on one machine (one
thread, no random numbers but the generator's); computed in float64. The format stands at the head of the file.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "benches/peers"))
import generator  # noqa: E402

HEADER = f"""\
# Layers by PyTorch {torch.__version__} in float64; made by layers.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64. A name: layer/what.
#   input/NAME      what the layer is given
#   parameter/NAME  its parameters, named as downhill's. Weights of products are [in, out], the transpose of PyTorch's
#   output          what it gives
#   upstream        the gradient given to the output
#   gradient/NAME   the one that reaches an input or a parameter
"""


def text(value):
    value = float(value)
    return str(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)


def record(name, values):
    values = np.asarray(values)
    dims = "x".join(map(str, values.shape)) or "1"
    return f"{name} {dims} {' '.join(text(v) for v in values.ravel())}\n"


class Source:
    """Numbers in [-1, 1) to three places; every call gives others."""

    def __init__(self):
        self.seed = 100

    def __call__(self, *dims):
        self.seed += 1
        units = generator.units(self.seed, math.prod(dims)).astype(np.float64)
        return torch.from_numpy(np.round(units, 3).reshape(dims))


numbers = Source()


def case(name, function, inputs, parameters=None):
    """The records of `function(**inputs, **parameters)`; names of parameters have `_` for `.` there."""
    parameters = parameters or {}
    leaves = {**inputs, **parameters}
    leaves = {key: value.requires_grad_() if value.is_floating_point() else value for key, value in leaves.items()}
    output = function(**{key.replace(".", "_"): value for key, value in leaves.items()})
    upstream = numbers(*output.shape)
    if output.requires_grad:
        output.backward(upstream)
    for key, value in inputs.items():
        yield record(f"{name}/input/{key}", value.detach())
    for key, value in parameters.items():
        yield record(f"{name}/parameter/{key}", value.detach())
    yield record(f"{name}/output", output.detach())
    yield record(f"{name}/upstream", upstream)
    for key, value in leaves.items():
        if value.grad is not None:
            assert value.grad.isfinite().all(), (name, key)
            yield record(f"{name}/gradient/{key}", value.grad)


# Normalisation


def scale(*dims):
    return {"weight": numbers(*dims) + 1, "bias": numbers(*dims)}


def weight_only(*dims):
    return {"weight": numbers(*dims) + 1}


def norms():
    yield from case("layer_norm", lambda x, weight, bias: F.layer_norm(x, (5,), weight, bias),
                    {"x": numbers(2, 3, 5)}, scale(5))
    yield from case("layer_norm_axes_2_no_bias", lambda x, weight: F.layer_norm(x, (3, 4), weight, None, 1e-3),
                    {"x": numbers(2, 3, 4)}, weight_only(3, 4))
    yield from case("layer_norm_plain", lambda x: F.layer_norm(x, (7,)), {"x": numbers(2, 7)})
    # In float64 PyTorch's own eps would be that of float64.
    eps = torch.finfo(torch.float32).eps
    yield from case("rms_norm", lambda x, weight: F.rms_norm(x, (5,), weight, eps), {"x": numbers(2, 3, 5)}, weight_only(5))
    yield from case("rms_norm_plain", lambda x: F.rms_norm(x, (3, 4), None, 1e-2), {"x": numbers(2, 3, 4)})
    yield from case("group_norm", lambda x, weight, bias: F.group_norm(x, 3, weight, bias),
                    {"x": numbers(2, 6, 3, 2)}, scale(6))
    yield from case("group_norm_of_rows", lambda x: F.group_norm(x, 2), {"x": numbers(3, 8)})
    yield from case("instance_norm", lambda x, weight, bias: F.instance_norm(x, weight=weight, bias=bias),
                    {"x": numbers(2, 3, 5)}, scale(3))
    yield from case("instance_norm_plain", lambda x: F.instance_norm(x), {"x": numbers(2, 2, 3, 4)})


def main():
    torch.set_num_threads(1)
    content = HEADER + "".join(norms())
    (HERE / "layers.txt").write_text(content)
    print(f"layers.txt: {len(content)} bytes")


if __name__ == "__main__":
    main()
