"""The deep networks of the table in PyTorch: ResNet-20, a GPT of letters, an LSTM.

In: a workload. Out: a module with the initial weights of `start`.
Holds: parameters are listed in the order in which downhill declares them, as downhill keeps them; weights are uniform, factors of norms
are 1, offsets and biases 0.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from workloads import ALPHABET, LETTERS

WIDTH, LAYERS, HEADS = 128, 4, 4


def convolution(n, units, kernel, stride=1):
    return nn.Conv2d(n, units, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(units)


class ResidualBlock(nn.Module):
    def __init__(self, n, units, stride):
        super().__init__()
        self.first, self.first_norm = convolution(n, units, 3, stride)
        self.second, self.second_norm = convolution(units, units, 3)
        self.skip, self.skip_norm = convolution(n, units, 1, stride) if stride > 1 else (None, None)

    def forward(self, x):
        y = F.relu(self.first_norm(self.first(x)))
        skip = x if self.skip is None else self.skip_norm(self.skip(x))
        return F.relu(self.second_norm(self.second(y)) + skip)

    def in_order(self):
        pairs = [self.first, self.first_norm, self.second, self.second_norm]
        return pairs + ([] if self.skip is None else [self.skip, self.skip_norm])


class Resnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = convolution(3, 16, 3)
        widths = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.blocks = nn.ModuleList([ResidualBlock(*width) for width in widths])
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        h = F.relu(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            h = block(h)
        return self.head(h.mean((2, 3)))

    def in_order(self):
        layers = [self.stem, self.stem_norm, *(layer for block in self.blocks for layer in block.in_order()), self.head]
        return [kept for layer in layers for kept in of_layer(layer)]


class GptBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.heads, self.joined = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.second_norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        query, key, value = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.heads(self.norm(x)).split(WIDTH, -1))
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.joined(seen)
        return x + self.down(F.gelu(self.up(self.second_norm(x))))

    def in_order(self):
        """The projections of queries, keys and values are parts of one matrix here."""
        parts = [(self.heads.weight, slice(i * WIDTH, (i + 1) * WIDTH)) for i in range(3)]
        heads = [kept for weight, rows in parts
                 for kept in (Kept(weight, (WIDTH, WIDTH), turned, rows), Kept(self.heads.bias, (WIDTH,), rows=rows))]
        rest = [kept for layer in (self.joined, self.second_norm, self.up, self.down) for kept in of_layer(layer)]
        return [*of_layer(self.norm), *heads, *rest]


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(LETTERS, WIDTH))
        self.letters = nn.Embedding(ALPHABET, WIDTH)
        self.blocks = nn.ModuleList([GptBlock() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, ALPHABET, bias=False)

    def forward(self, x):
        h = self.letters(x) + self.positions
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))

    def in_order(self):
        blocks = [kept for block in self.blocks for kept in block.in_order()]
        first = [Kept(self.positions, (LETTERS, WIDTH)), Kept(self.letters.weight, (ALPHABET, WIDTH))]
        return [*first, *blocks, *of_layer(self.norm), *of_layer(self.head)]


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters, self.lstm, self.head = nn.Embedding(ALPHABET, 64), nn.LSTM(64, 128, batch_first=True), nn.Linear(128, ALPHABET)

    def forward(self, x):
        return self.head(self.lstm(self.letters(x))[0])

    def in_order(self):
        lstm = self.lstm
        weights = [Kept(lstm.weight_ih_l0, (64, 512), turned), Kept(lstm.weight_hh_l0, (128, 512), turned)]
        biases = [Kept(lstm.bias_ih_l0, (512,)), Kept(lstm.bias_hh_l0, (512,))]
        return [Kept(self.letters.weight, (ALPHABET, 64)), *weights, *biases, *of_layer(self.head)]


class Kept:
    """A parameter, or rows of one, the shape in which downhill keeps it, and how that becomes PyTorch's."""

    def __init__(self, parameter, shape, laid=lambda values: values, rows=slice(None), ones=False):
        self.parameter, self.shape, self.laid, self.rows, self.ones = parameter, shape, laid, rows, ones


def turned(values):
    return np.moveaxis(values, (-1, -2), (0, 1))


def of_layer(layer):
    """What a convolution, a norm or a linear layer keeps."""
    weight, bias = layer.weight, layer.bias
    if weight.dim() == 1:
        return [Kept(weight, tuple(weight.shape), ones=True), Kept(bias, tuple(bias.shape))]
    units, n, *kernel = weight.shape
    biases = [] if bias is None else [Kept(bias, (units,))]
    return [Kept(weight, (*kernel, n, units), turned), *biases]


def initial(workload, number, kept):
    if len(kept.shape) > 1:
        return workload.uniform(number, kept.shape)
    return np.full(kept.shape, float(kept.ones), np.float32)


def start(workload, model=None):
    """[(what keeps it, initial values)] of all parameters."""
    model = model or NETWORKS[workload.network]()
    return [(kept, initial(workload, number, kept)) for number, kept in enumerate(model.in_order())]


def build(workload, dtype):
    model = NETWORKS[workload.network]().to(dtype)
    with torch.no_grad():
        for kept, values in start(workload, model):
            kept.parameter[kept.rows] = torch.from_numpy(kept.laid(values).copy()).to(dtype)
    return model


NETWORKS = {"resnet": Resnet, "gpt": Gpt, "lstm": Lstm}
