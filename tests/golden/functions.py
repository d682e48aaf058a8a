#!/usr/bin/env python3
"""Makes `functions.txt` with PyTorch: what downhill's tests of functions that are called by name take for the truth.

Made with PyTorch 2.15.0, numpy 2.4.6, Python 3.11 on x86-64. Run again, from anywhere:

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/functions.py

In: the generator of `benches/peers`. Out: the file beside this one. Holds: the same bytes every time on one machine (one
thread, no random numbers but the generator's); computed in float64. The format stands at the head of the file.
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True
from layers import HERE, Source, record  # noqa: E402

HEADER = f"""\
# Functions by PyTorch {torch.__version__} in float64; made by functions.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64. A name: function:case/what. The function is
# called by that name.
#   input/N         its positional arguments, in their order; named `index`, they are i32, `mask`, masks
#                   What einsum takes first is its case
#   option/NAME     a named argument: a number, or a list where it is taken for one
#   output          what it gives
#   upstream        the gradient given to the output, where it has one
#   gradient/N      the one that reaches an input
"""

numbers = Source(5000)
inf, nan = math.inf, math.nan
# Extreme, and with kinks, ties and zeros.
WIDE = (-inf, -1e4, -30.5, -3, -1, -0.5, -1e-5, 0, 1e-5, 0.5, 1, 3, 30.5, 1e4, inf)


def wide(*left_out):
    return torch.tensor([x for x in WIDE if x not in left_out], dtype=torch.float64)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def case(name, function, *inputs, **options):
    """The records of `function(*inputs)`, called there with these options; `gradient=False` where only the value counts."""
    has_gradient = options.pop("gradient", True)
    leaves = [x.clone().requires_grad_(has_gradient) if x.is_floating_point() else x for x in inputs]
    output = function(*leaves)
    for n, x in enumerate(inputs):
        kind = "mask/" if x.dtype == torch.bool else "" if x.is_floating_point() else "index/"
        yield record(f"{name}/input/{kind}{n}", x)
    for key, value in options.items():
        yield record(f"{name}/option/{key}", torch.atleast_1d(torch.as_tensor(value, dtype=torch.float64)))
    yield record(f"{name}/output", output.detach())
    if output.requires_grad:
        upstream = numbers(*output.shape)
        yield record(f"{name}/upstream", upstream)
        for n, gradient in enumerate(torch.autograd.grad(output, [x for x in leaves if x.requires_grad], upstream)):
            assert not gradient.isnan().any(), name
            yield record(f"{name}/gradient/{n}", gradient)


def folds():
    x, ties = numbers(2, 3, 4), tensor(1, 3, -2, 3, -2, 0).reshape(2, 3)
    yield from case("argmin:last", lambda x: x.argmin(-1), ties, gradient=False)
    yield from case("argmin:kept", lambda x: x.argmin(-1, keepdim=True), ties, axis=-1, keep=1, gradient=False)
    yield from case("argmin:first", lambda x: x.argmin(0), ties, axis=0, gradient=False)
    for name in ("any", "all"):
        function = getattr(torch, name)
        yield from case(f"{name}:whole", lambda x: function(x != 0), ties, gradient=False)
        yield from case(f"{name}:kept", lambda x: function(x != 0, 1, keepdim=True), ties, axes=1, keep=1, gradient=False)
        yield from case(f"{name}:mask", lambda x: function(x, 0), ties > 0, axes=0)
        yield from case(f"{name}:empty", lambda x: function(x, 1), torch.zeros(2, 0, dtype=torch.float64), axes=1, gradient=False)
    yield from case("count:nan", lambda x: x.count_nonzero(0), torch.tensor([[0, nan], [2, 0.0], [-1, inf]]).double(), axes=0,
                    gradient=False)
    yield from case("count:mask", lambda x: x.count_nonzero(), ties > 0)
    for name, function in (("variance", torch.var), ("standard_deviation", torch.std)):
        yield from case(f"{name}:whole", function, x)
        yield from case(f"{name}:of_all", lambda x: function(x, (0, 2), correction=0), x, axes=(0, 2), correction=0)
        yield from case(f"{name}:kept", lambda x: function(x, 1, correction=1.5, keepdim=True), x, axes=1, correction=1.5, keep=1)
        yield from case(f"{name}:of_one", lambda x: function(x, 0), tensor(3), axes=0, gradient=False)
        yield from case(f"{name}:of_equals", lambda x: function(x, 1), tensor(2, 2, 2, 0, 1, 2).reshape(2, 3), axes=1)


def norms():
    x = torch.cat([numbers(3, 4), torch.zeros(1, 4), tensor(2, -2, 0, 1e-3).reshape(1, 4), 1e4 * numbers(1, 4)])
    for p in (2, 1, 3, 1.5, 0.5, inf, 0):
        yield from case(f"norm:p_{p}", lambda x: torch.linalg.vector_norm(x, p, 1), x, p=p, axes=1, gradient=p != 0)
    # PyTorch's gradient of a negative p is NaN at 0.
    for p in (-1, -2.5, -inf):
        yield from case(f"norm:p_{p}", lambda x: torch.linalg.vector_norm(x, p, 1), x[:3], p=p, axes=1)
    yield from case("norm:whole", lambda x: torch.linalg.vector_norm(x), numbers(2, 3))
    yield from case("norm:kept", lambda x: torch.linalg.vector_norm(x, 2, 0, keepdim=True), numbers(2, 3), axes=0, keep=1)
    yield from case("norm:infinite", lambda x: torch.linalg.vector_norm(x), tensor(1, -inf), gradient=False)
    yield from case("norm:empty", lambda x: torch.linalg.vector_norm(x, 2, 1), torch.zeros(2, 0, dtype=torch.float64), axes=1)
    yield from case("normalize:rows", F.normalize, x)
    yield from case("normalize:by_sum", lambda x: F.normalize(x, 1, 0, 0.5), x, p=1, axis=0, eps=0.5)
    yield from case("log_sum_exp:rows", lambda x: x.logsumexp(1), torch.cat([x, tensor(-inf, 0, 1, -1e4).reshape(1, 4)]), axes=1)
    yield from case("log_sum_exp:whole", lambda x: x.logsumexp((0, 1)), numbers(2, 3))
    infinite = torch.full((3, 2), -inf, dtype=torch.float64)
    infinite[1, 1], infinite[2, 0] = inf, 1
    yield from case("log_sum_exp:infinite", lambda x: x.logsumexp(1, keepdim=True), infinite, axes=1, keep=1, gradient=False)
    yield from case("log_sum_exp:empty", lambda x: x.logsumexp(1), torch.zeros(2, 0, dtype=torch.float64), axes=1)


def limits():
    yield from case("clamp:both", lambda x: x.clamp(-1, 3), wide(), min=-1, max=3)
    yield from case("clamp:least", lambda x: x.clamp(min=0.5), wide(), min=0.5)
    yield from case("clamp:greatest", lambda x: x.clamp(max=-0.5), wide(), max=-0.5)
    yield from case("clamp:swapped", lambda x: x.clamp(1, -1), wide(), min=1, max=-1)
    yield from case("clamp:nan", lambda x: x.clamp(-1, 1), tensor(nan, 2), min=-1, max=1)


def matrices():
    x, wild = numbers(2, 3, 4), tensor(1, inf, 3, nan, 5, 6, -inf, 8, 9).reshape(3, 3)
    for name, function in (("tril", torch.tril), ("triu", torch.triu)):
        yield from case(f"{name}:plain", function, x)
        for k in (-2, 1, 9):
            yield from case(f"{name}:by_{k}", lambda x: function(x, k), x, diagonal=k)
        yield from case(f"{name}:wild", function, wild)
    for k in (-2, -1, 0, 1, 3):
        yield from case(f"diagonal:by_{k}", lambda x: x.diagonal(k, -2, -1), x, offset=k, axes=(-2, -1))
    yield from case("diagonal:first", torch.diagonal, x)
    yield from case("diagonal:across", lambda x: x.diagonal(1, 2, 0), x, offset=1, axes=(2, 0))
    yield from case("trace:square", torch.trace, numbers(3, 3))
    yield from case("trace:flat", torch.trace, numbers(2, 4))
    yield from case("outer:vectors", torch.outer, numbers(3), numbers(2))


def arranged():
    x = numbers(2, 3, 4)
    yield from case("flip:one", lambda x: x.flip(1), x, axes=1)
    yield from case("flip:two", lambda x: x.flip(-1, 0), x, axes=(-1, 0))
    yield from case("flip:all", lambda x: x.flip(0, 1, 2), x)
    for shift in (1, -1, 5, 0):
        yield from case(f"roll:by_{shift}", lambda x: x.roll(shift, 1), x, shift=shift, axis=1)
    yield from case("roll:as_one", lambda x: x.roll(5), x, shift=5)
    yield from case("tile:each", lambda x: x.tile(2, 1, 3), x, counts=(2, 1, 3))
    yield from case("tile:fewer", lambda x: x.tile(2), x, counts=2)
    yield from case("tile:more", lambda x: x.tile(2, 1, 3), numbers(2, 2), counts=(2, 1, 3))
    yield from case("repeat:middle", lambda x: x.repeat_interleave(3, 1), x, count=3, axis=1)
    yield from case("repeat:as_one", lambda x: x.repeat_interleave(2), x, count=2)
    yield from case("repeat:never", lambda x: x.repeat_interleave(0, 0), x, count=0, axis=0)
    for axis in (0, 1, -1):
        yield from case(f"stack:at_{axis}", lambda *x: torch.stack(x, axis), numbers(2, 3), numbers(2, 3), axis=axis)


def sums():
    shapes = {
        "ij,jk->ik": ((2, 3), (3, 4)), "ij,jk": ((2, 3), (3, 4)), "ij,kj->ki": ((2, 3), (4, 3)), "bij,bjk->bik": ((2, 3, 4), (2, 4, 2)),
        "bhqd,bhkd->bhqk": ((2, 2, 3, 2), (2, 2, 4, 2)), "i,j->ij": ((2,), (3,)), "i,i": ((3,), (3,)), "i,i->i": ((3,), (3,)),
        "ij->ji": ((2, 3),), "ij->": ((2, 3),), "ij->j": ((2, 3),), "ba": ((2, 3),), "ii": ((3, 3),), "ii->i": ((3, 3),),
        "iij->ji": ((2, 2, 3),), "iii->i": ((2, 2, 2),), "iji->j": ((2, 3, 2),), "ij,ij,jk->ik": ((2, 3), (2, 3), (3, 2)),
        "ij,jk,kl,lm->im": ((2, 3), (3, 2), (2, 4), (4, 2)), "bn,anm,bm->ba": ((2, 3), (4, 3, 2), (2, 2)),
        "...ij,...jk->...ik": ((2, 3, 4), (4, 2)), "...i->...": ((2, 3, 4),), "i...,i...": ((2, 3), (2, 3)),
        "ij,jk->ki": ((1, 3), (3, 1)), "ij,ij->ij": ((2, 1), (1, 3)), "ij,jk->i": ((2, 1), (3, 4)), "a,b,c->cab": ((2,), (3,), (2,)),
        "ij,j,i->": ((2, 3), (3,), (2,)), "bij,jk->bk": ((0, 2, 3), (3, 2)),
    }
    for equation, dims in shapes.items():
        yield from case(f"einsum:{equation}", lambda *x: torch.einsum(equation, *x), *(numbers(*each) for each in dims))


def activations():
    # PyTorch's own gradient of hardsigmoid is a sixth of float32.
    names = {"relu6": F.relu6, "hard_sigmoid": lambda x: F.relu6(x + 3) / 6, "hard_tanh": F.hardtanh, "selu": F.selu, "celu": F.celu,
             "log_sigmoid": F.logsigmoid, "tanh_shrink": F.tanhshrink, "soft_shrink": F.softshrink, "hard_shrink": F.hardshrink,
             "squared_relu": lambda x: F.relu(x).square()}
    for name, function in names.items():
        yield from case(f"{name}:wide", function, wide())
        yield from case(f"{name}:nan", function, tensor(nan), gradient=False)
    yield from case("hard_tanh:uneven", lambda x: F.hardtanh(x, -3, 0.5), wide(), min=-3, max=0.5)
    # PyTorch's own gradient divides by alpha as a float32.
    yield from case("celu:flat", lambda x: F.celu(x, 0.5), wide(), alpha=0.5)
    yield from case("soft_shrink:far", lambda x: F.softshrink(x, 3), wide(), **{"lambda": 3})
    yield from case("hard_shrink:far", lambda x: F.hardshrink(x, 3), wide(), **{"lambda": 3})
    yield from case("threshold:wide", lambda x: F.threshold(x, 0.5, 7), wide(), threshold=0.5, value=7)
    # Of infinities PyTorch's are NaN, here they are the limits.
    for name, function in (("hard_swish", F.hardswish), ("mish", F.mish), ("softsign", F.softsign)):
        yield from case(f"{name}:wide", function, wide(-inf, inf))
    yield from case("softplus:wide", F.softplus, wide())
    yield from case("softplus:steep", lambda x: F.softplus(x, 2.5, 1.5), wide(), beta=2.5, threshold=1.5)
    yield from case("snake:wide", lambda x: x + x.sin().square(), wide(-inf, inf))
    yield from case("snake:slow", lambda x: x + (x * 0.2).sin().square() / 0.2, wide(-inf, inf), alpha=0.2)
    yield from case("sine:fast", lambda x: (30 * x).sin(), numbers(5))
    yield from case("sine:slow", lambda x: (0.5 * x).sin(), wide(-inf, inf), omega=0.5)
    x = 3 * numbers(2, 4, 3)
    yield from case("softmin:last", lambda x: F.softmin(x, -1), 1e4 * x)
    yield from case("softmin:middle", lambda x: F.softmin(x, 1), x, axis=1)
    yield from case("glu:middle", lambda x: F.glu(x, 1), x, axis=1)
    for name, curve in (("glu", torch.sigmoid), ("geglu", F.gelu), ("swiglu", F.silu)):
        yield from case(f"{name}:last", lambda x: x[..., :2] * curve(x[..., 2:]), 3 * numbers(3, 4))


def elementwise():
    small = tensor(-1, -0.9375, -0.7, -1e-5, 0, 1e-20, 0.3, 0.5, 1 - 2**-10, 1)
    names = {"tan": wide(-inf, inf), "atan": wide(), "sinc": torch.cat([wide(-inf, -1e-5, 1e-5, inf), tensor(0.3, 0.33, -1.7)]),
             "sinh": wide(), "cosh": wide(), "asinh": torch.cat([wide(), tensor(-1e15, 1e20)]), "asin": small, "acos": small,
             "atanh": small, "acosh": tensor(1, 1 + 2**-10, 1.5, 30, 1e4, 1e12, inf), "reciprocal": wide(), "rsqrt": tensor(0, 1e-20, 0.3, 7, 1e4, inf),
             "exp2": wide(), "log2": tensor(0, 1e-30, 0.3, 8, 1e4, inf), "log10": tensor(0, 1e-30, 0.3, 1000, 1e4, inf),
             "ceil": wide(), "fract": torch.cat([wide(-inf, inf), tensor(-2.75)]),
             "round": torch.cat([wide(), tensor(-3.5, -2.5, -1.5, 1.5, 2.5, 0.49999997)]),
             "trunc": torch.cat([wide(), tensor(-2.75)])}
    for name, x in names.items():
        function = getattr(torch, {"fract": "frac"}.get(name, name))
        yield from case(f"{name}:wide", function, x)
        yield from case(f"{name}:nan", function, tensor(nan), gradient=False)
    digits = tensor(0.123456, -2.5, 1234.5678, 15, 25, -35, 1e30, -inf, nan)
    for decimals in (2, -1, 3):
        yield from case(f"round:{decimals}", lambda x: torch.round(x, decimals=decimals), digits, decimals=decimals, gradient=False)
    yield from case("asin:beyond", torch.asin, tensor(-1.1, 2), gradient=False)
    yield from case("acosh:below", torch.acosh, tensor(0.9, -2), gradient=False)
    y, x = (side.ravel() for side in torch.meshgrid(tensor(-1e15, -2, -1, 0, 1e-9, 1, 3), tensor(-1e9, -1, 0, 1e-12, 1, 2), indexing="ij"))
    away = (x != 0) | (y != 0)
    yield from case("atan2:plane", torch.atan2, y[away], x[away])
    yield from case("atan2:infinite", torch.atan2, tensor(inf, inf, -inf, 1, -1, 0), tensor(inf, -inf, 1, inf, -inf, 0), gradient=False)
    yield from case("hypot:plane", torch.hypot, y[away], x[away])
    yield from case("hypot:extreme", torch.hypot, tensor(1e30, 0, inf, 3e-30), tensor(-1e30, 0, 1, 4e-30), gradient=False)
    yield from case("hypot:broadcast", torch.hypot, numbers(2, 1), numbers(3))


def ordered():
    ties = tensor(3, 1, 2, 1, 3, -inf, 2, nan, 0, -0.5, inf, nan, 7, 7, 7).reshape(3, 5)
    x = numbers(2, 5, 3)
    for name, descending in (("up", False), ("down", True)):
        said = {"descending": int(descending)}
        yield from case(f"sort:{name}", lambda x: x.sort(-1, descending=descending)[0], numbers(3, 7), **said)
        yield from case(f"sort:middle_{name}", lambda x: x.sort(1, descending=descending)[0], x, axis=1, **said)
        yield from case(f"sort:ties_{name}", lambda x: x.sort(dim=-1, descending=descending, stable=True)[0], ties, **said)
        yield from case(f"argsort:ties_{name}", lambda x: x.argsort(dim=-1, descending=descending, stable=True), ties, gradient=False, **said)
        yield from case(f"top_k:{name}", lambda x: x.topk(2, 1, descending)[0], x, k=2, axis=1, largest=int(descending))
        yield from case(f"top_k_indices:{name}", lambda x: x.topk(2, 1, descending)[1], x, k=2, axis=1, largest=int(descending),
                        gradient=False)
    yield from case("median:odd", lambda x: x.median(1)[0], x, axis=1)
    yield from case("median:even", lambda x: x.median(-1)[0], numbers(3, 4))
    yield from case("median:nan", lambda x: x.median(-1, keepdim=True)[0], ties, keep=1, gradient=False)
    for q in (0, 0.3, 0.5, 0.75, 1):
        yield from case(f"quantile:{q}", lambda x: x.quantile(q, 1), x, q=q, axis=1)
    kinds = ("linear", "lower", "higher", "midpoint", "nearest")
    for number, kind in enumerate(kinds):
        for q in (0.3, 0.5, 0.625, 0.9):
            yield from case(f"quantile:{kind}_{q}", lambda x: x.quantile(q, 1, interpolation=kind), x, q=q, axis=1, interpolation=number)
    yield from case("quantile:nan", lambda x: x.quantile(0.5, -1, keepdim=True), tensor(1, nan, 3, 4).reshape(2, 2), q=0.5, keep=1, gradient=False)
    zeros = x.clone()
    zeros[0, 2, 1] = zeros[1, 0, 2] = zeros[1, 3, 2] = 0
    yield from case("cumprod:middle", lambda x: x.cumprod(1), zeros, axis=1)
    yield from case("cumprod:last", lambda x: x.cumprod(-1), 2 * numbers(2, 9))
    yield from case("cumprod:one", lambda x: x.cumprod(-1), numbers(3, 1))
    for name, function in (("cummax", torch.cummax), ("cummin", torch.cummin)):
        yield from case(f"{name}:middle", lambda x: function(x, 1)[0], x, axis=1)
        yield from case(f"{name}:ties", lambda x: function(x, 1)[0], ties)
        yield from case(f"{name}:long", lambda x: function(x, 0)[0], numbers(9), axis=0)


def pieces():
    x = numbers(2, 7, 3)
    for n in (0, 3, -1):
        yield from case(f"unstack:{n}", lambda x: x.select(1, n), x, index=n, axis=1)
    for n in (0, 2, 3):
        yield from case(f"split:{n}", lambda x: x.split(2, 1)[n], x, size=2, index=n, axis=1)
    for n in (0, 1, 2):
        yield from case(f"chunk:{n}", lambda x: x.chunk(3, 1)[n], x, chunks=3, index=n, axis=1)


class Digamma(torch.autograd.Function):
    """PyTorch's own gradient of digamma is right to ten digits only."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return torch.digamma(x)

    @staticmethod
    def backward(context, upstream):
        x, = context.saved_tensors
        above = torch.special.zeta(torch.tensor(2.0, dtype=x.dtype), torch.where(x > 0, x, 1 - x))
        return upstream * torch.where(x > 0, above, (math.pi / (math.pi * x).sin()).square() - above)


def gammas():
    x = tensor(1e-30, 1e-5, 0.25, 0.5, 0.75, 1, 1 + 2**-10, 1.4375, 1.5, 1.75, 2, 2.25, 2.5, 3, 4.5, 7.75, 8, 9, 30.5, 1000, 1e9, 1e30)
    below = tensor(-0.25, -0.5, -1.75, -3.5, -10.25)
    for name, function in (("lgamma", torch.lgamma), ("digamma", Digamma.apply)):
        yield from case(f"{name}:above", function, x[1:] if name == "digamma" else x)
        yield from case(f"{name}:below", function, below)
        yield from case(f"{name}:nan", function, tensor(nan), gradient=False)
    yield from case("lgamma:poles", torch.lgamma, tensor(0, -1, -2, inf), gradient=False)


QUOTIENTS = {"floor_divide": lambda a, b: a.div(b, rounding_mode="floor"), "remainder": torch.remainder, "fmod": torch.fmod,
             "trunc_divide": lambda a, b: a.div(b, rounding_mode="trunc")}


def whole():
    ends = (-2**31, -2**31 + 1, -1000, -7, -2, -1, 0, 1, 3, 7, 999, 65537, 2**31 - 1)
    a, b = (torch.tensor(side, dtype=torch.int32) for side in zip(*((a, b) for a in ends for b in ends if b and (a, b) != (-2**31, -1))))
    for name, function in QUOTIENTS.items():
        yield from case(f"{name}:ends", function, a, b)
    x = torch.cat([numbers(40), tensor(-0.5, 0.75, 0.25, 2, -inf, nan)])
    yield from case("histogram:some", lambda x: x.histc(5, -0.5, 0.75), x, bins=5, min=-0.5, max=0.75, gradient=False)
    yield from case("histogram:square", lambda x: x.histc(4, -1, 1), numbers(3, 4), bins=4, min=-1, max=1, gradient=False)


def entropies():
    entropy = lambda x: torch.distributions.Categorical(logits=x).entropy()
    yield from case("entropy:last", entropy, 3 * numbers(2, 4, 3))
    yield from case("entropy:sure", entropy, tensor(1e4, -1e4, 0, 9.9e3, 0, 0).reshape(2, 3))


def quotients():
    for name, function in QUOTIENTS.items():
        smooth = name in ("remainder", "fmod")
        b = numbers(24)
        # Of 64ths, which f32 holds, too.
        a_float, b_float = (torch.round(64 * side) / 64 for side in (20 * numbers(24), 3 * b + torch.where(b < 0, -0.25, 0.25)))
        yield from case(f"{name}:floats", function, a_float, b_float, gradient=smooth)
        yield from case(f"{name}:exact", function, tensor(6, -6, 6, -6, 0, 0.5), tensor(2, 2, -2, -2, 3, 0.125), gradient=smooth)
        yield from case(f"{name}:special", function, tensor(1, -1, inf, nan, 1, -1, 0), tensor(inf, inf, 2, 2, 0, 0, 0), gradient=False)


FAMILIES = (folds, norms, limits, matrices, arranged, sums, activations, elementwise, ordered, pieces, gammas, whole, entropies, quotients)


def main():
    torch.set_num_threads(1)
    content = HEADER + "".join(line for records in FAMILIES for line in records())
    (HERE / "functions.txt").write_text(content)
    print(f"functions.txt: {len(content)} bytes")


if __name__ == "__main__":
    main()
