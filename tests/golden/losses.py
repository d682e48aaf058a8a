#!/usr/bin/env python3
"""Makes `losses.txt` with PyTorch: what downhill's tests of losses and their options take for the truth.

Made with PyTorch 2.15.0, numpy 2.4.6, Python 3.11 on x86-64. Run again, from anywhere:

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/losses.py

In: the generator of `benches/peers`. Out: the file beside this one. Holds: the same bytes every time on one machine (one
thread, no random numbers but the generator's); computed in float64. The format stands at the head of the file. What PyTorch has
no function for is its formula, written out here; gradients are PyTorch's all the same.
"""

import torch
import torch.nn.functional as F

from layers import HERE, Source, record

HEADER = f"""\
# Losses by PyTorch {torch.__version__} in float64; made by losses.py.
# A line: name, dims joined by `x`, values in row-major order, to be read as float64. A name: loss:variant/what. The loss and its
# arguments are named as a declaration's.
#   input/NAME     an argument that is a tensor; class indices are `label`, which a declaration calls y
#   option/NAME    one that is a number; 0 and 1 for false and true; a reduction is 0 mean, 1 sum, 2 none, 3 batchmean
#   output         what it gives
#   upstream       the gradient given to the output
#   gradient/NAME  the one that reaches an argument
# Variants `edge` are where a formula breaks: infinite, empty or equal operands. They are twice differentiable nowhere.
"""

REDUCTIONS = ("mean", "sum", "none", "batchmean")
numbers = Source(3000)


def shares(*dims):
    """Within 0.05..0.95."""
    return torch.round((numbers(*dims) * 0.45 + 0.5) * 1000) / 1000


def positive(*dims):
    return torch.round((numbers(*dims) + 1.2) * 1000) / 1000


def logarithms(*dims):
    return torch.round(numbers(*dims).log_softmax(-1) * 1e4) / 1e4


def signs(*dims):
    return torch.where(numbers(*dims) < 0, -1.0, 1.0).double()


def labels(classes, *dims):
    return ((numbers(*dims) + 1) / 2 * classes).long().clamp(max=classes - 1)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def case(name, function, inputs, by, options=None):
    """The records of `function(**inputs)`, with gradients by the arguments `by`."""
    leaves = {key: value.requires_grad_() if key in by else value for key, value in inputs.items()}
    output = function(**leaves)
    upstream = numbers(*output.shape)
    output.backward(upstream)
    for key, value in inputs.items():
        yield record(f"{name}/input/{key}", value.detach())
    for key, value in (options or {}).items():
        yield record(f"{name}/option/{key}", [REDUCTIONS.index(value) if isinstance(value, str) else value])
    yield record(f"{name}/output", output.detach())
    yield record(f"{name}/upstream", upstream)
    for key in by:
        assert leaves[key].grad.isfinite().all(), (name, key)
        yield record(f"{name}/gradient/{key}", leaves[key].grad)


def reduced(terms, reduction, weight=None):
    if weight is not None:
        terms = terms * weight.reshape(weight.shape + (1,) * (terms.dim() - weight.dim()))
    return {"mean": terms.mean, "sum": terms.sum, "none": lambda: terms}[reduction]()


def each_reduction(name, terms, inputs, by, options=None):
    """`terms(**inputs)` in each reduction, and weighted by row and by element."""
    shape = terms(**inputs()).shape
    for variant, reduction, weight in (("mean", "mean", None), ("none", "none", None), ("rows", "mean", shape[:1]),
                                       ("elements", "sum", shape)):
        weighted = {} if weight is None else {"weight": positive(*weight)}
        yield from case(f"{name}_{variant}", lambda weight=None, **given: reduced(terms(**given), reduction, weight),
                        inputs() | weighted, (*by, *weighted), (options or {}) | {"reduction": reduction})


def pairs(loss, variant, function, p=numbers, y=numbers, by=("p", "y"), **options):
    """PyTorch's function of p and y, element by element."""
    yield from each_reduction(f"{loss}:{variant}", function, lambda: {"p": p(2, 3), "y": y(2, 3)}, by, options)


def differences():
    yield from pairs("squared_error", "plain", lambda p, y: F.mse_loss(p, y, reduction="none"))
    yield from pairs("absolute_error", "plain", lambda p, y: F.l1_loss(p, y, reduction="none"))
    for delta in (0.2505,):
        yield from pairs("huber", f"{delta}", lambda p, y: F.huber_loss(p, y, reduction="none", delta=delta), delta=delta)
    for beta in (0.2505, 0.0):
        yield from pairs("smooth_l1", f"{beta}", lambda p, y: F.smooth_l1_loss(p, y, reduction="none", beta=beta), beta=beta)
    yield from pairs("log_cosh", "plain", lambda p, y: torch.log(torch.cosh(p - y)))
    yield from pairs("log_cosh", "far", lambda p, y: torch.log(torch.cosh(p - y)), p=lambda *dims: numbers(*dims) * 20)
    for tau in (0.5, 0.9):
        yield from pairs("pinball", f"{tau}", lambda p, y: torch.maximum(tau * (y - p), (tau - 1) * (y - p)), tau=tau)


def margins():
    only = {"y": signs, "by": ("p",)}
    yield from pairs("hinge", "plain", lambda p, y: F.relu(1 - y * p), **only)
    yield from pairs("soft_margin", "plain", lambda p, y: F.soft_margin_loss(p, y, reduction="none"), **only)
    for margin in (1.0, 0.3005):
        yield from pairs("hinge_embedding", f"{margin}",
                         lambda p, y: F.hinge_embedding_loss(p, y, margin=margin, reduction="none"), **only, margin=margin)


def of_two_classes():
    yield from pairs("binary_cross_entropy", "plain", lambda p, y: F.binary_cross_entropy(p, y, reduction="none"), p=shares, y=shares)
    yield from pairs("bce_with_logits", "plain", lambda p, y: F.binary_cross_entropy_with_logits(p, y, reduction="none"), y=shares)
    for name, weight in (("number", lambda: tensor(2.5)), ("classes", lambda: positive(4))):
        yield from case(f"bce_with_logits:pos_weight_{name}",
                        lambda p, y, pos_weight: F.binary_cross_entropy_with_logits(p, y, pos_weight=pos_weight),
                        {"p": numbers(3, 4) * 4, "y": shares(3, 4), "pos_weight": weight()}, ("p",))
    yield from case("bce_with_logits:edge_pos_weight",
                    lambda p, y, pos_weight: F.binary_cross_entropy_with_logits(p, y, pos_weight=pos_weight, reduction="none"),
                    {"p": tensor(1e4, -1e4, 1e4, -1e4, 0), "y": tensor(1, 1, 0, 0, 0), "pos_weight": tensor(3)}, ("p",),
                    {"reduction": "none"})
    for gamma, alpha in ((2.0, 0.25), (0.0, -1.0), (0.5, 0.9), (3.0, -1.0)):
        yield from pairs("focal", f"{gamma}_{alpha}", lambda p, y: focal(p, y, gamma, alpha), y=lambda *dims: (signs(*dims) + 1) / 2,
                         by=("p",), gamma=gamma, alpha=alpha)
    yield from pairs("focal", "of_shares", lambda p, y: focal(p, y, 2.0, 0.25), y=shares)
    for smooth in (1.0, 1e-5):
        terms = lambda p, y: overlap(p, y, smooth)
        yield from each_reduction(f"dice:{smooth}", terms, lambda: {"p": shares(3, 2, 2), "y": shares(3, 2, 2)}, ("p", "y"),
                                  {"smooth": smooth})
    yield from case("dice:logits", lambda p, y: overlap(p.sigmoid(), y, 1.0).mean(), {"p": numbers(3, 4), "y": shares(3, 4)},
                    ("p", "y"), {"from_logits": 1})
    yield from case("dice:edge_empty", lambda p, y: overlap(p, y, 1.0).mean(),
                    {"p": tensor([0, 0], [1, 1], [0, 1]), "y": tensor([0, 0], [1, 1], [1, 0])}, ("p", "y"))


def focal(p, y, gamma, alpha):
    """torchvision.ops.sigmoid_focal_loss."""
    share = p.sigmoid()
    right = share * y + (1 - share) * (1 - y)
    loss = F.binary_cross_entropy_with_logits(p, y, reduction="none") * (1 - right) ** gamma
    return (alpha * y + (1 - alpha) * (1 - y)) * loss if alpha >= 0 else loss


def overlap(p, y, smooth):
    both, either = ((p * y).flatten(1).sum(1), (p + y).flatten(1).sum(1))
    return 1 - (2 * both + smooth) / (either + smooth)


def cross_entropies():
    """PyTorch's options in every combination of labels and shares; axes other than the last are PyTorch's own order."""
    for kind in ("labels", "shares"):
        for weighted in (False, True):
            for smoothing in (0.0, 0.2):
                for reduction in ("mean", "sum", "none"):
                    y = {"label": labels(4, 3)} if kind == "labels" else {"y": shares(3, 4)}
                    weight = {"class_weight": positive(4)} if weighted else {}
                    yield from case(
                        f"cross_entropy:{kind}{'_weighted' * weighted}{'_smoothed' * (smoothing > 0)}_{reduction}",
                        lambda p, y=None, label=None, class_weight=None: F.cross_entropy(
                            p, label if y is None else y, class_weight, label_smoothing=smoothing, reduction=reduction),
                        {"p": numbers(3, 4) * 3} | y | weight, ("p",), {"label_smoothing": smoothing, "reduction": reduction})
    for ignored in (-100, 2):
        for weighted in (False, True):
            for smoothing in (0.0, 0.1):
                for reduction in ("mean", "sum", "none"):
                    label = labels(4, 4)
                    label[1], label[3] = ignored, ignored
                    weight = {"class_weight": positive(4)} if weighted else {}
                    yield from case(
                        f"cross_entropy:ignored{ignored}{'_weighted' * weighted}{'_smoothed' * (smoothing > 0)}_{reduction}",
                        lambda p, label, class_weight=None: F.cross_entropy(
                            p, label, class_weight, ignore_index=ignored, label_smoothing=smoothing, reduction=reduction),
                        {"p": numbers(4, 4), "label": label} | weight, ("p",),
                        {"ignore_index": ignored, "label_smoothing": smoothing, "reduction": reduction})
    for reduction in ("mean", "none"):
        how = {"ignore_index": 1, "label_smoothing": 0.1, "reduction": reduction}
        yield from case(f"cross_entropy:pixels_{reduction}", lambda p, label, class_weight: F.cross_entropy(p, label, class_weight, **how),
                        {"p": numbers(2, 3, 2, 2), "label": labels(3, 2, 2, 2), "class_weight": positive(3)}, ("p",), how | {"axis": 1})
        yield from case(f"cross_entropy:tokens_{reduction}",
                        lambda p, label: F.cross_entropy(p.transpose(1, 2), label, reduction=reduction),
                        {"p": numbers(2, 3, 4), "label": labels(4, 2, 3)}, ("p",), {"reduction": reduction})
        yield from case(f"cross_entropy:pixel_shares_{reduction}", lambda p, y: F.cross_entropy(p, y, reduction=reduction),
                        {"p": numbers(2, 3, 2), "y": shares(2, 3, 2)}, ("p", "y"), {"reduction": reduction, "axis": 1})
    yield from case("cross_entropy:rows", lambda p, label, weight: (F.cross_entropy(p, label, reduction="none") * weight).mean(),
                    {"p": numbers(4, 3), "label": labels(3, 4), "weight": numbers(4)}, ("p", "weight"))
    for reduction in ("mean", "sum", "none"):
        yield from case(f"cross_entropy:edge_logits_{reduction}", lambda p, label: F.cross_entropy(p, label, reduction=reduction),
                        {"p": tensor([1e4, -1e4, 0], [-1e4, 1e4, 1e4], [0, 0, 0]), "label": torch.tensor([1, 1, 2])}, ("p",),
                        {"reduction": reduction})
        weights = positive(4)
        label = labels(4, 6)
        label[1] = -1
        how = {"ignore_index": -1, "reduction": reduction}
        yield from case(f"nll:ignored_weighted_{reduction}", lambda p, label, class_weight: F.nll_loss(p, label, class_weight, **how),
                        {"p": logarithms(6, 4), "label": label, "class_weight": weights}, ("p",), how)
        yield from case(f"categorical_cross_entropy:{reduction}",
                        lambda p, label: F.nll_loss(p.log(), label, reduction=reduction),
                        {"p": shares(3, 4), "label": labels(4, 3)}, ("p",), {"reduction": reduction})
    yield from case("nll:pixels", lambda p, label: F.nll_loss(p, label),
                    {"p": logarithms(2, 3, 2), "label": labels(3, 2, 2)}, ("p",), {"axis": 1})


def of_each_class():
    for p in (1, 2):
        for margin in (1.0, 0.4005):
            terms = lambda s, label: F.multi_margin_loss(s, label, p=p, margin=margin, reduction="none")
            label = labels(4, 3)
            yield from each_reduction(f"multi_margin:{p}_{margin}", terms, lambda: {"s": numbers(3, 4), "label": label}, ("s",),
                                      {"p": p, "margin": margin})
        yield from case(f"multi_margin:{p}_weighted", lambda s, label, class_weight: F.multi_margin_loss(s, label, p=p, weight=class_weight),
                        {"s": numbers(3, 4), "label": labels(4, 3), "class_weight": positive(4)}, ("s",), {"p": p})
    yield from each_reduction("multilabel_soft_margin:plain", lambda p, y: F.multilabel_soft_margin_loss(p, y, reduction="none"),
                              lambda: {"p": numbers(3, 4), "y": shares(3, 4)}, ("p", "y"))
    yield from case("multilabel_soft_margin:weighted",
                    lambda p, y, class_weight: F.multilabel_soft_margin_loss(p, y, weight=class_weight),
                    {"p": numbers(3, 4), "y": shares(3, 4), "class_weight": positive(4)}, ("p",))


def counts(*dims):
    return (positive(*dims) * 3).floor()


def likelihoods():
    for full in (False, True):
        how = {"full": int(full)}
        yield from pairs("poisson_nll", f"log{'_full' * full}",
                         lambda p, y: F.poisson_nll_loss(p, y, full=full, reduction="none"), y=counts, by=("p",), **how)
        yield from pairs("poisson_nll", f"rate{'_full' * full}",
                         lambda p, y: F.poisson_nll_loss(p, y, log_input=False, full=full, eps=1e-3, reduction="none"), p=positive,
                         y=counts, by=("p",), log_input=0, eps=1e-3, **how)
        for name, dims in (("elements", (2, 3)), ("rows", (2, 1))):
            terms = lambda p, y, variance: F.gaussian_nll_loss(p, y, variance.expand(2, 3).clone(), full=full, reduction="none")
            yield from each_reduction(f"gaussian_nll:{name}{'_full' * full}", terms,
                                      lambda: {"p": numbers(2, 3), "y": numbers(2, 3), "variance": positive(*dims)},
                                      ("p", "y", "variance"), how)
    yield from case("gaussian_nll:edge_variance", lambda p, y, variance: F.gaussian_nll_loss(p, y, variance, eps=1e-2),
                    {"p": numbers(4), "y": numbers(4), "variance": tensor(0, 1e-3, 1e-2, 1)}, ("p", "y", "variance"), {"eps": 1e-2})
    for log_target in (False, True):
        target = logarithms if log_target else shares
        terms = lambda p, y: F.kl_div(p, y, reduction="none", log_target=log_target)
        how = {"log_target": int(log_target)}
        name = f"kl_divergence:{'logarithms' if log_target else 'shares'}"
        yield from each_reduction(name, terms, lambda: {"p": logarithms(2, 3), "y": target(2, 3)}, ("p", "y"), how)
        yield from case(f"{name}_batchmean", lambda p, y: F.kl_div(p, y, reduction="batchmean", log_target=log_target),
                        {"p": logarithms(2, 3), "y": target(2, 3)}, ("p", "y"), how | {"reduction": "batchmean"})
    yield from case("kl_divergence:edge_zero", lambda p, y: F.kl_div(p, y, reduction="sum"),
                    {"p": logarithms(2, 3), "y": tensor([1, 0, 0], [0, 0.5, 0.5])}, ("p",), {"reduction": "sum"})


def similarities():
    three = lambda: {name: numbers(2, 3) for name in ("anchor", "positive", "negative")}
    for margin in (0.0, 0.3005):
        terms = lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=margin, reduction="none")
        y = signs(3, 4)
        yield from each_reduction(f"margin_ranking:{margin}", terms, lambda: {"a": numbers(3, 4), "b": numbers(3, 4), "y": y},
                                  ("a", "b"), {"margin": margin})
        terms = lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin=margin, reduction="none")
        y = signs(3)
        yield from each_reduction(f"cosine_embedding:{margin}", terms, lambda: {"a": numbers(3, 3), "b": numbers(3, 3), "y": y},
                                  ("a", "b"), {"margin": margin})
    yield from case("cosine_embedding:edge_zero", lambda a, b, y: F.cosine_embedding_loss(a, b, y, reduction="none"),
                    {"a": tensor([0, 0], [0, 0], [1, 2], [0.5, 0.5]), "b": tensor([1, 2], [0, 0], [1, 2], [-1, -1]),
                     "y": tensor(1, -1, 1, -1)}, ("a", "b"), {"reduction": "none"})
    for p, swap in ((2.0, False), (1.0, False), (3.0, True), (2.0, True), (1.5, False)):
        terms = lambda **rows: F.triplet_margin_loss(**rows, margin=0.5, p=p, swap=swap, reduction="none")
        yield from each_reduction(f"triplet_margin:{p}{'_swap' * swap}", terms, three, ("anchor", "positive", "negative"),
                                  {"margin": 0.5, "p": p, "swap": int(swap)})
    equal = tensor([1, 2], [0, 0])
    yield from case("triplet_margin:edge_equal", lambda **rows: F.triplet_margin_loss(**rows),
                    {"anchor": equal, "positive": equal.clone(), "negative": tensor([1, 2.5], [0, 0])},
                    ("anchor", "positive", "negative"))
    for symmetric in (False, True):
        terms = lambda a, b: info_nce(a, b, 0.5, symmetric)
        yield from each_reduction(f"info_nce:{'symmetric' if symmetric else 'plain'}", terms, lambda: {"a": numbers(3, 2), "b": numbers(3, 2)},
                                  ("a", "b"), {"temperature": 0.5, "symmetric": int(symmetric)})


def info_nce(a, b, temperature, symmetric):
    unit = lambda x: x / (x.square().sum(1, keepdim=True) + 1e-12).sqrt()
    scores = unit(a) @ unit(b).T / temperature
    own = torch.arange(len(a))
    terms = F.cross_entropy(scores, own, reduction="none")
    return (terms + F.cross_entropy(scores.T, own, reduction="none")) / 2 if symmetric else terms


def temporal():
    def ctc(p, label, lengths, target_lengths, blank, zero_infinity, reduction):
        return F.ctc_loss(p.log_softmax(-1).transpose(0, 1), label, lengths, target_lengths, blank=blank,
                          zero_infinity=zero_infinity, reduction=reduction)

    def built(name, steps, label, lengths, target_lengths, blank=0, zero_infinity=False, classes=4, reduction="mean", scale=2.0):
        given = {"p": torch.round(numbers(len(label), steps, classes) * scale * 1000) / 1000, "label": torch.tensor(label, dtype=torch.long),
                 "lengths": torch.tensor(lengths), "target_lengths": torch.tensor(target_lengths)}
        options = {"blank": blank, "zero_infinity": int(zero_infinity), "reduction": reduction}
        function = lambda **inputs: ctc(**inputs, blank=blank, zero_infinity=zero_infinity, reduction=reduction)
        return case(f"ctc:{name}", function, given, ("p",), options)

    labels = [[1, 2, 3], [3, 3, 1], [2, 2, 2]]
    for reduction in ("mean", "sum", "none"):
        yield from built(f"repeats_{reduction}", 7, labels, [7, 7, 7], [3, 3, 3], reduction=reduction)
    yield from built("lengths", 7, labels, [7, 5, 3], [2, 3, 1])
    yield from built("last_is_blank", 6, [[0, 1], [2, 2]], [6, 4], [2, 2], blank=3)
    yield from built("empty", 5, [[1, 1], [2, 3]], [5, 3], [0, 2], reduction="none")
    yield from built("exactly_fits", 5, [[1, 1, 2], [1, 2, 3]], [4, 3], [3, 3], reduction="none")
    yield from built("edge_impossible", 5, [[1, 1, 1], [1, 2, 1]], [4, 5], [3, 3], zero_infinity=True, reduction="none")
    yield from built("edge_no_steps", 3, [[1, 1], [1, 2]], [0, 3], [0, 2], zero_infinity=True, reduction="none")
    yield from built("long", 60, [[1, 2, 2, 3, 1, 1, 4, 4, 2, 1, 3, 2]], [60], [12], classes=5)
    yield from built("edge_certain", 6, [[1, 2, 1]], [6], [3], scale=60.0)


FAMILIES = (differences, margins, of_two_classes, cross_entropies, of_each_class, likelihoods, similarities, temporal)


def main():
    torch.set_num_threads(1)
    content = HEADER + "".join(line for records in FAMILIES for line in records())
    (HERE / "losses.txt").write_text(content)
    print(f"losses.txt: {len(content)} bytes")


if __name__ == "__main__":
    main()
