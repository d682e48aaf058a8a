"""The workloads of the table: shapes, data, initial weights, order of rows, and the golden losses.

In: a workload's name. Out: numpy arrays that every peer, and downhill, starts from; see README.md for the formulas.
Holds: 1,024 distinct rows; batch sizes divide 1,024, so a pass over the data is a whole number of steps.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import generator

ROWS = 1024
LETTERS, ALPHABET = 64, 65
DATA_STREAM, LABEL_STREAM, ORDER_STREAM, PARAMETER_STREAM = 1, 2, 3, 16
GOLDEN = Path(__file__).with_name("golden_final_loss.txt")


@dataclass(frozen=True)
class Workload:
    """A network and how it is trained. `steps` is how long a run is, counted from the initial weights.

    `network` is `dense` or the name of one in `torch_networks.py`. Before the dense layers may stand convolutions, (kernel, channels in,
    channels) each, with ReLU and a maximum over 2×2.
    """

    name: str
    widths: tuple
    batch: int
    steps: int
    learning_rate: float
    training: bool = True
    picture: tuple = ()
    convolutions: tuple = ()
    network: str = "dense"
    rows: int = ROWS
    optimizer: str = "SGD"

    @property
    def binary(self):
        """One sigmoid output under binary cross-entropy, rather than classes under a softmax."""
        return self.widths[-1] == 1

    @property
    def of_letters(self):
        """Rows of letters, each with the one that follows it, rather than numbers and a class."""
        return self.network in ("gpt", "lstm")

    @cached_property
    def letters(self):
        return generator.classes(DATA_STREAM, self.rows * (LETTERS + 1), ALPHABET).reshape(self.rows, LETTERS + 1)

    @cached_property
    def x(self):
        if self.of_letters:
            return self.letters[:, :-1]
        shape = self.picture or self.widths[:1]
        return generator.units(DATA_STREAM, self.rows * math.prod(shape)).reshape(self.rows, *shape)

    @cached_property
    def y(self):
        """Float [rows, 1]: 1 where both inputs have one sign (no line separates that); or int64 [rows], [rows, letters]."""
        if self.of_letters:
            return self.letters[:, 1:]
        if self.binary:
            positive = self.x > 0
            return (positive[:, :1] == positive[:, 1:2]).astype(np.float32)
        return generator.classes(LABEL_STREAM, self.rows, self.widths[-1])

    @cached_property
    def order(self):
        """[steps in a pass, batch]: row numbers; step s uses line s modulo the number of lines."""
        return generator.permutation(ORDER_STREAM, self.rows).reshape(-1, self.batch)

    @cached_property
    def parameters(self):
        """[(weight [in, out] or [kernel, kernel, in, out], bias [out])] a dense layer or convolution, uniform in ±1/sqrt(all but out)."""
        layers = []
        shapes = [(kernel, kernel, n, units) for kernel, n, units in self.convolutions]
        for i, shape in enumerate([*shapes, *zip(self.widths, self.widths[1:])]):
            scale = np.float32(1 / math.sqrt(math.prod(shape[:-1])))
            layers.append((self.uniform(2 * i, shape), generator.units(PARAMETER_STREAM + 2 * i + 1, shape[-1]) * scale))
        return layers

    def uniform(self, number, shape):
        """The weight that is the parameter of this number."""
        scale = np.float32(1 / math.sqrt(math.prod(shape[:-1])))
        return generator.units(PARAMETER_STREAM + number, math.prod(shape)).reshape(shape) * scale


@dataclass(frozen=True)
class Elementwise:
    """gelu(x)·sigmoid(x) + tanh(x), summed, and its gradient by x; gelu by erf. `steps` times the same."""

    name: str
    elements: int
    steps: int = 1
    training: bool = True

    @cached_property
    def x(self):
        return generator.units(DATA_STREAM, self.elements) * np.float32(3)


WORKLOADS = [
    Workload("seed_b1", (2, 50, 1), batch=1, steps=4096, learning_rate=0.1),
    Workload("seed_b64", (2, 50, 1), batch=64, steps=1024, learning_rate=0.5),
    Workload("mlp_b1", (784, 128, 10), batch=1, steps=1024, learning_rate=0.01),
    Workload("mlp_b64", (784, 128, 10), batch=64, steps=256, learning_rate=0.1),
    Workload("mlp512_b128", (784, 512, 512, 10), batch=128, steps=32, learning_rate=0.1),
    Workload("mlp2048_b256", (1024, 2048, 2048, 1000), batch=256, steps=5, learning_rate=0.1),
    Workload("lenet_b128", (256, 120, 84, 10), batch=128, steps=16, learning_rate=0.1,
             picture=(1, 28, 28), convolutions=((5, 1, 6), (5, 6, 16))),
    Workload("resnet20_b32", (64, 10), batch=32, steps=8, learning_rate=0.01, picture=(3, 32, 32), network="resnet"),
    Workload("gpt_b12", (65, 128), batch=12, steps=8, learning_rate=0.001, network="gpt", rows=1020, optimizer="AdamW"),
    Workload("lstm_b32", (65, 64, 128), batch=32, steps=16, learning_rate=0.001, network="lstm", optimizer="Adam"),
    Elementwise("eltwise_1M", 1 << 20),
    Workload("infer_seed_b1", (2, 50, 1), batch=1, steps=4096, learning_rate=0.0, training=False),
    Workload("infer_mlp_b1", (784, 128, 10), batch=1, steps=4096, learning_rate=0.0, training=False),
]
SLOW = {"mlp2048_b256"}


def read_golden(path=GOLDEN):
    """{name: [values]} from lines `name dims value value …`; `#` starts a comment line."""
    records = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, *values = line.split()
            records[name] = [float(value) for value in values]
    return records


def check_losses(workload, losses, peer, golden=None):
    """Asserts that a run's losses are PyTorch's: the last one, and the mean of all, within the file's tolerance."""
    golden = golden or read_golden()
    losses = np.asarray(losses, dtype=np.float64)
    assert len(losses) == workload.steps == golden[f"{workload.name}/steps"][0], f"{workload.name}: steps differ"
    tolerance = golden[f"{workload.name}/tolerance"][0]
    for what, value in (("last", losses[-1]), ("mean", losses.mean())):
        want = golden[f"{workload.name}/loss.{what}"][0]
        if not abs(value - want) <= tolerance * abs(want):
            raise SystemExit(f"{peer}, {workload.name}: {what} loss {value!r}, golden {want!r}, tolerance {tolerance}")


def check_gradient(workload, gradient, peer, golden=None):
    """Asserts that a gradient is PyTorch's: its mean, and its first elements."""
    golden = golden or read_golden()
    gradient = np.asarray(gradient, dtype=np.float64)
    tolerance = golden[f"{workload.name}/tolerance"][0]
    for what, values in (("mean", [gradient.mean()]), ("first", gradient[:4])):
        want = golden[f"{workload.name}/gradient.{what}"]
        if not np.allclose(values, want, rtol=tolerance, atol=0):
            raise SystemExit(f"{peer}, {workload.name}: gradient's {what} {values!r}, golden {want!r}")
