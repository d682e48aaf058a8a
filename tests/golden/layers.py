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
#   option/NAME     numbers that it is called with, one for all axes or one for each; what is not named is the default
#   parameter/NAME  its parameters, named as downhill's. Weights of products are [in, out], the transpose of PyTorch's, those of
#                   convolutions [kernel…, in of a group, out]
#   output          what it gives
#   upstream        the gradient given to the output
#   gradient/NAME   the one that reaches an input or a parameter
# Before a colon stands the layer, where a name has one.
"""


def text(value):
    value = float(value)
    return str(int(value)) if abs(value) < 1e6 and value == int(value) else repr(value)


def record(name, values):
    values = np.asarray(values)
    dims = "x".join(map(str, values.shape)) or "1"
    return f"{name} {dims} {' '.join(text(v) for v in values.ravel())}\n"


class Source:
    """Numbers in [-1, 1) of so many steps to 1; every call gives others."""

    def __init__(self, seed=100, steps=1000):
        self.seed, self.steps = seed, steps

    def __call__(self, *dims):
        self.seed += 1
        units = generator.units(self.seed, math.prod(dims)).astype(np.float64)
        return torch.from_numpy((np.round(units * self.steps) / self.steps).reshape(dims))


numbers = Source()


def case(name, function, inputs, parameters=None, options=None, numbers=numbers):
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
    for key, value in (options or {}).items():
        yield record(f"{name}/option/{key}", np.ravel(value))
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


# Attention


def rows(queries, keys, *leading, width=4, values=3):
    return {"query": numbers(*leading, queries, width), "key": numbers(*leading, keys, width),
            "value": numbers(*leading, keys, values)}


def scaled():
    name, attend = "scaled_dot_product_attention", F.scaled_dot_product_attention
    yield from case(name, attend, rows(3, 5, 2))
    yield from case(f"{name}_causal", lambda query, key, value: attend(query, key, value, is_causal=True), rows(4, 4, 2, 2))
    # PyTorch's own flag lets the first query see the first key alone; here the last query sees all keys.
    later = torch.ones(3, 5).tril(2).bool()
    yield from case(f"{name}_causal_of_fewer_queries", lambda query, key, value: attend(query, key, value, later), rows(3, 5, 2))
    seen = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 1]]).bool()
    yield from case(f"{name}_seen", lambda query, key, value, seen: attend(query, key, value, seen), rows(3, 5, 2) | {"seen": seen})
    added = numbers(3, 5)
    added[0, 1] = added[1, 4] = -math.inf
    yield from case(f"{name}_added", lambda query, key, value, added: attend(query, key, value, added),
                    rows(3, 5, 2) | {"added": added})
    grouped = rows(3, 5, 1, 2, width=2) | {"query": numbers(1, 6, 3, 2)}
    yield from case(f"{name}_grouped",
                    lambda query, key, value: attend(query, key, value, scale=0.3, enable_gqa=True), grouped)


def projections(query, key, value, bias=True, narrow=None):
    """Parameters of attention by rows of these widths."""
    narrow = narrow or query
    shapes = {"query": (query, query), "key": (key, narrow), "value": (value, narrow), "output": (query, query)}
    weights = {f"{name}.weight": numbers(*shape) for name, shape in shapes.items()}
    return weights | ({f"{name}.bias": numbers(shape[1]) for name, shape in shapes.items()} if bias else {})


def several_heads(heads, **options):
    """PyTorch's attention of several heads as a function of what `case` hands over."""

    def function(query, key=None, value=None, lengths=None, seen=None, **parameters):
        key = query if key is None else key
        value = key if value is None else value
        width = query.shape[-1]
        q, k, v, out = (parameters[f"{name}_weight"].T for name in ("query", "key", "value", "output"))
        biases = [parameters.get(f"{name}_bias") for name in ("query", "key", "value")]
        masks = {}
        if lengths is not None:
            masks["key_padding_mask"] = torch.arange(key.shape[1]) >= lengths[:, None]
        if seen is not None:
            masks["attn_mask"] = ~seen.repeat_interleave(heads, 0)
        if options.get("causal"):
            masks["attn_mask"] = ~torch.ones(query.shape[1], key.shape[1]).tril().bool()
        output, _ = F.multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (query, key, value)), width, heads, None,
            None if biases[0] is None else torch.cat(biases), None, None, False, 0.0, out, parameters.get("output_bias"),
            need_weights=False, use_separate_proj_weight=True, q_proj_weight=q, k_proj_weight=k, v_proj_weight=v, **masks)
        return output.transpose(0, 1)

    return function


def grouped_heads(heads, shared):
    """Attention whose heads share keys, of PyTorch's parts."""

    def function(query, **parameters):
        def by_head(name, count):
            product = query @ parameters[f"{name}_weight"] + parameters[f"{name}_bias"]
            return product.unflatten(-1, (count, -1)).transpose(1, 2)

        q, k, v = by_head("query", heads), by_head("key", shared), by_head("value", shared)
        joined = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).flatten(2)
        return joined @ parameters["output_weight"] + parameters["output_bias"]

    return function


def attention():
    yield from case("attention", several_heads(2), {"query": numbers(2, 5, 6)}, projections(6, 6, 6))
    yield from case("attention_causal_no_bias", several_heads(3, causal=True), {"query": numbers(2, 4, 6)},
                    projections(6, 6, 6, bias=False))
    yield from case("attention_across", several_heads(2),
                    {"query": numbers(2, 3, 6), "key": numbers(2, 4, 5), "value": numbers(2, 4, 7)}, projections(6, 5, 7))
    yield from case("attention_of_lengths", several_heads(2), {"query": numbers(2, 4, 6), "lengths": torch.tensor([3, 1])},
                    projections(6, 6, 6))
    seen = numbers(2, 4, 4) > -0.3
    yield from case("attention_seen", several_heads(2), {"query": numbers(2, 4, 6), "seen": seen}, projections(6, 6, 6))
    yield from case("attention_grouped", grouped_heads(4, 2), {"query": numbers(2, 3, 8)}, projections(8, 8, 8, narrow=4))


# Positions


def waves(count, width):
    """sin and cos in turns, of any width."""
    position, column = torch.arange(count, dtype=torch.float64)[:, None], torch.arange(width)
    angle = position / 10_000.0 ** ((column - column % 2) / torch.tensor(width, dtype=torch.float64))
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


def rotated(x, base=10_000.0):
    """As in most PyTorch code for language models: x·cos + rotate_half(x)·sin."""
    time, width = x.shape[-2:]
    frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(time, dtype=torch.float64), frequency).repeat(1, 2)
    turned = torch.cat([-x[..., width // 2:], x[..., :width // 2]], -1)
    return x * angle.cos() + turned * angle.sin()


def positions():
    yield from case("sinusoidal_positions", lambda: waves(6, 8), {})
    yield from case("sinusoidal_positions_odd", lambda: waves(4, 5), {})
    yield from case("rotary", rotated, {"x": numbers(2, 5, 6)})
    yield from case("rotary_base", lambda x: rotated(x, 100.0), {"x": numbers(1, 2, 7, 4)})


# Windows over [batch, channels, …]

# Quarters and eighths: their products and sums are exact and short.
eighths = Source(1000, 8)


def axes_first(weight):
    """[kernel…, in, out] as PyTorch's [out, in, kernel…]."""
    return weight.permute(-1, -2, *range(weight.dim() - 2))


def of_rank(name, x):
    return getattr(F, f"{name}{x.dim() - 2}d")


def each(number, count):
    return number if isinstance(number, tuple) else (number,) * count


def convolved(name, x, channels, kernel, bias=True, **options):
    groups = options.get("groups", 1)
    parameters = {"weight": eighths(*each(kernel, len(x) - 2), x[1] // groups, channels)}
    if bias:
        parameters["bias"] = eighths(channels)

    def function(x, weight, bias=None):
        return of_rank("conv", x)(x, axes_first(weight), bias, **options)

    said = {"channels": channels, "kernel": kernel} | options | ({} if bias else {"bias": 0})
    if said.get("padding") == "same":
        said["same"] = 1
        del said["padding"]
    return case(f"conv:{name}", function, {"x": eighths(*x)}, parameters, said, eighths)


def convolutions():
    yield from convolved("1d", (2, 2, 5), 3, 2)
    yield from convolved("1d_leaves_a_rest", (1, 2, 8), 2, 3, stride=2, padding=1, bias=False)
    yield from convolved("1d_stride_beyond_kernel", (2, 1, 9), 2, 2, stride=4)
    yield from convolved("1d_dilated", (1, 2, 9), 2, 3, dilation=3, padding=2)
    yield from convolved("1d_all_at_once", (2, 2, 10), 2, 3, stride=3, dilation=2, padding=1)
    yield from convolved("2d", (2, 2, 4, 3), 3, 2)
    yield from convolved("2d_axes_differ", (1, 2, 7, 6), 2, (3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2))
    yield from convolved("2d_of_points", (2, 3, 3, 2), 4, 1, bias=False)
    yield from convolved("2d_points_apart", (1, 2, 5, 4), 3, 1, stride=2)
    yield from convolved("2d_whole", (2, 2, 3, 3), 2, 3)
    yield from convolved("2d_much_padding", (1, 1, 2, 3), 2, 2, padding=3)
    yield from convolved("2d_groups", (2, 4, 4, 3), 6, 2, groups=2, padding=(0, 1))
    yield from convolved("2d_groups_apart", (1, 4, 7, 5), 4, 2, groups=2, stride=2, dilation=2, padding=1)
    yield from convolved("2d_of_each_channel", (2, 3, 4, 3), 3, 3, groups=3, padding=1)
    yield from convolved("2d_channel_multiplier", (1, 2, 5, 4), 6, 2, groups=2, stride=2)
    yield from convolved("2d_empty", (0, 2, 4, 3), 2, 2, padding=1)
    yield from convolved("2d_groups_empty", (0, 2, 3, 3), 4, 2, groups=2)
    yield from convolved("1d_same", (1, 2, 5), 2, 4, padding="same")
    yield from convolved("2d_same", (1, 2, 4, 3), 2, (3, 2), dilation=(1, 3), padding="same", groups=2)
    yield from convolved("3d", (1, 2, 3, 4, 3), 2, 2, padding=(0, 1, 0))
    yield from convolved("3d_axes_differ", (1, 1, 4, 3, 5), 2, (2, 1, 3), stride=(1, 2, 2), dilation=(2, 1, 1), padding=(1, 0, 1))


def pooled(layer, name, x, kernel, **options):
    x = x if torch.is_tensor(x) else eighths(*x)
    said = dict(options)
    if layer == "average_pool" and "count_include_pad" in options:
        said["counted"] = int(said.pop("count_include_pad"))
    torchs = {"max_pool": "max_pool", "average_pool": "avg_pool"}[layer]
    return case(f"{layer}:{name}", lambda x: of_rank(torchs, x)(x, kernel, **options), {"x": x}, None,
                {"kernel": kernel} | said, eighths)


def with_nan(x, *places):
    for place in places:
        x.view(-1)[place] = math.nan
    return x


def pools():
    few = Source(2000, 1)
    yield from pooled("max_pool", "1d_leaves_a_rest", (2, 2, 8), 3)
    yield from pooled("max_pool", "1d_stride_beyond_kernel", (1, 2, 9), 2, stride=4)
    yield from pooled("max_pool", "2d", (2, 2, 4, 5), 2)
    yield from pooled("max_pool", "2d_overlap", (1, 2, 5, 6), 3, stride=2, padding=1)
    yield from pooled("max_pool", "2d_axes_differ", (1, 2, 6, 7), (2, 3), stride=(3, 1), padding=(1, 0), dilation=(2, 1))
    yield from pooled("max_pool", "2d_ties", few(2, 1, 6, 5), (3, 2), stride=(2, 1), padding=(1, 1))
    yield from pooled("max_pool", "2d_all_less_than_padding", eighths(1, 1, 4, 4) - 2, 3, stride=2, padding=1)
    yield from pooled("max_pool", "2d_nan", with_nan(eighths(1, 2, 4, 6), 8, 27), 2, stride=(2, 1))
    yield from pooled("max_pool", "2d_infinite", torch.full((1, 1, 3, 4), -math.inf, dtype=torch.float64), 2, stride=1, padding=1)
    yield from pooled("max_pool", "2d_empty", (0, 2, 4, 3), 2)
    yield from pooled("max_pool", "3d_ties", few(1, 2, 3, 4, 4), 2, stride=(1, 2, 2), padding=(1, 0, 0))
    for counted in (True, False):
        name = "counted" if counted else "not_counted"
        yield from pooled("average_pool", f"1d_{name}", (2, 2, 7), 3, stride=2, padding=1, count_include_pad=counted)
        yield from pooled("average_pool", f"2d_{name}", (1, 2, 5, 6), (4, 2), stride=(2, 3), padding=(2, 1), count_include_pad=counted)
        yield from pooled("average_pool", f"3d_{name}", (1, 1, 3, 4, 2), 2, stride=1, padding=(1, 0, 1), count_include_pad=counted)
    yield from pooled("average_pool", "2d", (2, 2, 5, 4), 2)
    yield from pooled("average_pool", "2d_empty", (0, 2, 4, 3), 2, padding=1)
    yield from case("global_average_pool:2d", lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), {"x": eighths(2, 3, 3, 2)},
                    numbers=eighths)
    for name, x, sizes in (("1d", (2, 2, 7), 3), ("1d_of_few", (1, 2, 4), 6), ("2d", (1, 2, 7, 5), (3, 4)),
                           ("2d_one_for_all", (1, 2, 4, 3), 2), ("3d", (1, 1, 3, 4, 5), (2, 4, 3))):
        yield from case(f"adaptive_average_pool:{name}", lambda x: of_rank("adaptive_avg_pool", x)(x, sizes),
                        {"x": eighths(*x)}, None, {"sizes": sizes}, eighths)


def transposed(name, x, channels, kernel, bias=True, **options):
    groups = options.get("groups", 1)
    parameters = {"weight": eighths(*each(kernel, len(x) - 2), x[1], channels // groups)}
    if bias:
        parameters["bias"] = eighths(channels)

    def function(x, weight, bias=None):
        weight = weight.permute(-2, -1, *range(weight.dim() - 2))
        return of_rank("conv_transpose", x)(x, weight, bias, **options)

    said = {"channels": channels, "kernel": kernel} | options | ({} if bias else {"bias": 0})
    return case(f"conv_transpose:{name}", function, {"x": eighths(*x)}, parameters, said, eighths)


def transposed_convolutions():
    yield from transposed("1d", (2, 2, 4), 3, 2)
    yield from transposed("1d_apart", (1, 2, 4), 2, 2, stride=3, bias=False)
    yield from transposed("1d_more_than_folded", (1, 2, 3), 2, 2, stride=2, dilation=3, output_padding=2, padding=1)
    yield from transposed("1d_zeros_at_the_end", (1, 1, 3), 2, 2, dilation=3, output_padding=2)
    yield from transposed("2d", (2, 2, 3, 2), 3, 3, stride=2, padding=1, output_padding=1)
    yield from transposed("2d_axes_differ", (1, 2, 3, 4), 2, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=(1, 2))
    yield from transposed("2d_groups", (1, 4, 3, 2), 6, 2, stride=2, groups=2, padding=1)
    yield from transposed("2d_of_each_channel", (2, 3, 2, 3), 3, 3, groups=3, padding=1)
    yield from transposed("2d_empty", (0, 2, 3, 2), 2, 2, stride=2)
    yield from transposed("3d", (1, 2, 2, 3, 2), 2, 2, stride=(1, 2, 1), padding=(1, 0, 0))


def resampled():
    for name, x, options in (("1d", (2, 2, 3), {"scale": 3}), ("2d", (2, 1, 2, 3), {"scale": (2, 1)}),
                             ("2d_to_a_multiple", (1, 2, 2, 3), {"sizes": (4, 9)}), ("2d_to", (1, 2, 3, 5), {"sizes": (5, 3)}),
                             ("3d", (1, 1, 2, 2, 3), {"scale": 2}), ("2d_empty", (0, 2, 2, 3), {"scale": 2})):
        said = {"scale_factor": options.get("scale"), "size": options.get("sizes")}
        yield from case(f"upsample:{name}", lambda x: F.interpolate(x, mode="nearest", **said), {"x": eighths(*x)}, None,
                        options, eighths)
    for name, x, options in (("1d", (2, 2, 3), {"scale": 3}), ("1d_less", (1, 2, 7), {"sizes": 3}),
                             ("1d_one", (1, 2, 4), {"sizes": 1}), ("1d_of_one", (1, 2, 1), {"scale": 3}),
                             ("2d", (2, 1, 2, 3), {"scale": (2, 4)}), ("2d_to", (1, 2, 3, 5), {"sizes": (5, 4)}),
                             ("3d", (1, 1, 2, 2, 3), {"scale": 2})):
        for aligned in (False, True):
            said = {"scale_factor": options.get("scale"), "size": options.get("sizes"), "align_corners": aligned}
            mode = ["linear", "bilinear", "trilinear"][len(x) - 3]
            yield from case(f"upsample_linear:{name}{'_aligned' if aligned else ''}",
                            lambda x: F.interpolate(x, mode=mode, **said), {"x": eighths(*x)}, None,
                            options | {"align_corners": int(aligned)}, eighths)


def shuffled():
    yield from case("pixel_shuffle:2d", lambda x: F.pixel_shuffle(x, 2), {"x": eighths(2, 8, 2, 3)}, None, {"factor": 2}, eighths)
    yield from case("pixel_shuffle:2d_by_3", lambda x: F.pixel_shuffle(x, 3), {"x": eighths(1, 9, 1, 2)}, None, {"factor": 3}, eighths)
    yield from case("pixel_unshuffle:2d", lambda x: F.pixel_unshuffle(x, 2), {"x": eighths(2, 2, 4, 2)}, None, {"factor": 2}, eighths)


def bordered():
    borders = {"1d": ((2, 2, 4), 2, 2), "1d_before": ((1, 2, 3), 2, 0), "1d_after": ((1, 2, 3), 0, 1),
               "2d": ((1, 2, 3, 4), (2, 1), (1, 3)), "2d_some": ((2, 1, 3, 3), (0, 2), (1, 0)),
               "3d": ((1, 1, 3, 2, 3), (2, 0, 1), (1, 1, 0))}
    for layer, mode in (("pad", "constant"), ("reflect_pad", "reflect"), ("replicate_pad", "replicate")):
        for name, (x, before, after) in borders.items():
            axes = len(x) - 2
            # PyTorch's pairs start at the last axis.
            pairs = list(zip(each(before, axes), each(after, axes)))[::-1]
            values = {"value": 0.5} if layer == "pad" and name != "1d" else {}
            yield from case(f"{layer}:{name}", lambda x: F.pad(x, sum(pairs, ()), mode, **values), {"x": eighths(*x)}, None,
                            {"before": before, "after": after} | values, eighths)


# Slopes that are learned


def slopes():
    def sloped(x, weight):
        return F.prelu(x, weight)

    kinked = eighths(2, 3, 4)
    kinked[0, 1, 2] = kinked[1, 0, 0] = 0
    yield from case("prelu", sloped, {"x": kinked}, {"weight": eighths(1)}, None, eighths)
    yield from case("prelu_of_channels", sloped, {"x": eighths(2, 3, 2, 2)}, {"weight": eighths(3)}, None, eighths)


FAMILIES = (norms, scaled, attention, positions, convolutions, pools, transposed_convolutions, resampled, shuffled, bordered, slopes)


def main():
    torch.set_num_threads(1)
    content = HEADER + "".join(line for records in FAMILIES for line in records())
    (HERE / "layers.txt").write_text(content)
    print(f"layers.txt: {len(content)} bytes")


if __name__ == "__main__":
    main()
