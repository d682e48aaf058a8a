"""Writes `golden_final_loss.txt`: what PyTorch's losses are for the workloads' initial weights, data and order.

In: nothing but the workloads. Out: the file, lines `name dims value value …`, floats to round-trip precision.
Holds: the losses are those of a float64 run, so that no peer's rounding is in them; a float32 run's distance from it
sets the tolerance that every peer, and downhill, is held to.
"""

import numpy as np
import torch

import torch_networks
import torch_peer
from workloads import GOLDEN, WORKLOADS, Elementwise

HEADER = """\
# Losses of the benchmark's training workloads, by PyTorch in float64 from float32 initial weights and data.
# Made by `peers.py --bless` with {version}; formulas: README.md. A line: name, dims, values.
# loss.last: the loss that the last of `steps` steps reports (before its update). loss.mean: the mean over all steps.
# tolerance: relative, for both, for a float32 run. *.head: the first values of each array, to find a slip in a formula.
"""


def relative(a, b):
    return abs(a - b) / abs(b)


def tolerance_for(exact, single):
    """Eight times the distance of PyTorch's own float32 run, and at least 2e-5, rounded up to one digit."""
    distance = max(relative(single[-1], exact[-1]), relative(np.mean(single), np.mean(exact)))
    needed = max(8 * distance, 2e-5)
    power = 10.0 ** np.floor(np.log10(needed))
    return float(f"{np.ceil(needed / power - 1e-9) * power:.0e}")


def heads(workload):
    """The first values of what the formulas make, in the order in which they are drawn."""
    yield "x", workload.x.ravel()[:4]
    yield "y", workload.y.ravel()[:8]
    yield "rows", workload.order.ravel()[:8]
    for i, values in enumerate(start(workload)):
        yield f"parameter{i}", values.ravel()[:4]


def start(workload):
    """The initial values of the parameters, in the order in which downhill declares them."""
    if workload.network == "dense":
        return [values for layer in workload.parameters for values in layer]
    return [values for _, values in torch_networks.start(workload)]


def records(workload):
    exact = torch_peer.training_run(workload, dtype=torch.float64)()[1]
    single = torch_peer.training_run(workload)()[1]
    if workload.picture:
        yield "picture", workload.picture
    if workload.convolutions:
        yield "convolutions", [n for convolution in workload.convolutions for n in convolution]
    yield "widths", workload.widths
    yield "batch", [workload.batch]
    yield "steps", [workload.steps]
    yield "lr", [workload.learning_rate]
    yield "loss.first", exact[:1]
    yield "loss.last", exact[-1:]
    yield "loss.mean", [float(np.mean(exact))]
    yield "tolerance", [tolerance_for(exact, single)]
    for name, values in heads(workload):
        yield f"{name}.head", values


def sum_and_gradient(workload, dtype):
    x = torch.from_numpy(workload.x).to(dtype).requires_grad_()
    total = torch_peer.elementwise(x)
    total.backward()
    return total.item(), x.grad.double().numpy()


def elementwise_records(workload):
    (exact, gradient), (single, single_gradient) = (sum_and_gradient(workload, t) for t in (torch.float64, torch.float32))
    yield "elements", [workload.elements]
    yield "steps", [workload.steps]
    yield "loss.last", [exact]
    yield "loss.mean", [exact]
    yield "gradient.mean", [gradient.mean()]
    yield "gradient.first", gradient[:4]
    tolerances = [tolerance_for([exact], [single]), tolerance_for([gradient.mean()], [single_gradient.mean()])]
    yield "tolerance", [max(tolerances + [tolerance_for([x], [y]) for x, y in zip(gradient[:4], single_gradient[:4])])]
    yield "x.head", workload.x[:4]


def write():
    torch.set_num_threads(1)
    lines = []
    for workload in filter(lambda w: w.training, WORKLOADS):
        made = elementwise_records(workload) if isinstance(workload, Elementwise) else records(workload)
        for name, values in made:
            lines.append(f"{workload.name}/{name} {len(values)} {' '.join(map(str, values))}\n")
    GOLDEN.write_text(HEADER.format(version=f"PyTorch {torch.__version__}") + "".join(lines))
