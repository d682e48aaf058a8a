"""A model of PyTorch's as files, with what it gives: state_dict.safetensors, state_dict.pt and state_dict_values.safetensors; and what else
`torch.save` writes: kinds.pt, nested.pt, module.pt, old.pt, evil.pt, expanded.pt.

    python tests/golden/state_dict.py    # needs torch and safetensors
"""

import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(4, 6, 3, groups=2, padding=1)
        self.n = nn.BatchNorm2d(6)
        self.u = nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2)
        self.d = nn.Conv1d(3, 2, 2, bias=False)
        self.e = nn.Embedding(7, 6)
        self.l = nn.LayerNorm(6)
        self.r = nn.LSTM(6, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.g = nn.GRU(6, 3, batch_first=True)
        self.a = nn.MultiheadAttention(6, 2, batch_first=True)
        self.x = nn.MultiheadAttention(6, 3, kdim=4, vdim=5, batch_first=True)
        self.f = nn.Linear(6, 4)

    def forward(self, image, series, words, keys, values):
        e = self.l(self.e(words))
        return {
            "picture": self.u(self.n(self.c(image))), "filtered": self.d(series), "recurrent": self.r(e)[0], "gated": self.g(e)[0],
            "attended": self.a(e, e, e)[0], "crossed": self.x(e, keys, values)[0], "scores": self.f(e),
        }


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Everything()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.rand_like(parameter) + 0.5)
        net(torch.randn(3, 4, 5, 5), torch.randn(1, 3, 4), torch.zeros(1, 2, dtype=torch.long), torch.randn(1, 2, 4), torch.randn(1, 2, 5))
        net.eval()
        inputs = {"image": torch.randn(2, 4, 5, 5), "series": torch.randn(2, 3, 6), "words": torch.randint(0, 7, (2, 4)),
                  "keys": torch.randn(2, 3, 4), "values": torch.randn(2, 3, 5)}
        outputs = net(*inputs.values())
    save_file(net.state_dict(), HERE / "state_dict.safetensors")
    torch.save(net.state_dict(), HERE / "state_dict.pt")
    told = {**inputs, **outputs}
    save_file({name: value.contiguous() for name, value in told.items()}, HERE / "state_dict_values.safetensors")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/downhill-was-here",)


def others():
    """Files whose tensors hold 0, 1, 2, … in the order of their storages."""
    matrix = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    torch.save({
        "f32": matrix, "turned": matrix.t(), "rows": matrix[1:], "columns": matrix[:, 1:4:2], "same": matrix,
        "f64": torch.arange(3, dtype=torch.float64), "f16": torch.arange(3, dtype=torch.float16),
        "bf16": torch.arange(3, dtype=torch.bfloat16), "i64": torch.arange(-1, 2), "i32": torch.arange(3, dtype=torch.int32),
        "i16": torch.arange(-1, 2, dtype=torch.int16), "i8": torch.arange(-1, 2, dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8), "bool": torch.tensor([False, True]), "scalar": torch.tensor(7.0),
        "nothing": torch.zeros(0, 3), "parameter": nn.Parameter(torch.ones(2)),
        "steps": 3, "rate": 0.1, "name": "net", "flag": True, "none": None, "large": 1 << 70, "list": [1, (torch.ones(1), 2.0)],
    }, HERE / "kinds.pt")
    torch.manual_seed(2)
    net = nn.DataParallel(nn.ModuleDict({"scores": nn.Linear(3, 2)}))
    optimizer = torch.optim.Adam(net.parameters())
    net.module["scores"](torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 4, "model": net.state_dict(), "optimizer": optimizer.state_dict()}, HERE / "nested.pt", pickle_protocol=4)
    torch.save(nn.Linear(3, 2), HERE / "module.pt")
    torch.save(nn.Linear(3, 2).state_dict(), HERE / "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"weight": torch.ones(2), "evil": Evil()}, HERE / "evil.pt")
    torch.save({"weight": torch.ones(1).expand(1000)}, HERE / "expanded.pt")


if __name__ == "__main__":
    main()
    others()
