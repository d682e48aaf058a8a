#!/usr/bin/env python3
"""Makes `lbfgs.txt` with PyTorch: what `tests/minimize.rs` takes for the truth.

    python tests/golden/lbfgs.py > tests/golden/lbfgs.txt

In: nothing. Out: for each problem and number of iterations a line: name, iterations, history, loss, evaluations, parameters. Holds: float64, one
thread; made with PyTorch 2.15.0.
"""

import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
X = torch.tensor([[0.2, 0.7, -1.4], [1.6, -0.1, 0.0], [-0.3, 0.4, 0.9], [0.8, -1.2, 0.5], [-1.1, 0.6, -0.7]])
LABEL = torch.tensor([0, 1, 2, 1, 0])


def valley(at):
    x, y = at
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


def classes(w):
    logits = torch.tanh(X @ w.reshape(3, 3))
    return torch.nn.functional.cross_entropy(logits, LABEL) + 0.01 * w.square().sum()


def made(name, loss, start, iterations, history):
    at = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS([at], max_iter=iterations, max_eval=1000, history_size=history, line_search_fn="strong_wolfe")
    evaluations = 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        value = loss(at)
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        value = loss(at).item()
    print(name, iterations, history, f"{value:.12e}", evaluations, *(f"{number:.12e}" for number in at.tolist()))


for iterations in (1, 2, 3, 5, 8, 12):
    made("valley", valley, [-1.2, 1.0], iterations, 100)
for iterations in (6, 15):
    made("valley", valley, [-1.2, 1.0], iterations, 2)
for iterations in (1, 2, 4, 8, 12):
    made("classes", classes, [0.1 * (n % 5) - 0.2 for n in range(9)], iterations, 10)
