"""PyTorch's learning rates for `tests/schedules.rs`: a line a schedule, its name and the rate of each step.

    python tests/golden/schedules.py > tests/golden/schedules.txt
"""

import warnings

import torch
from torch.optim import lr_scheduler as lr

warnings.simplefilter("ignore")
STEPS = 24


def optimizer(rate=0.1):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def line(name, make, steps=STEPS, observed=None):
    sgd = optimizer()
    schedule = make(sgd)
    rates = []
    for step in range(steps):
        if observed is None:
            rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step(*([] if observed is None else [observed[step]]))
        if observed is not None:
            rates.append(sgd.param_groups[0]["lr"])
    print(name, *(f"{rate:.9e}" for rate in rates))


line("constant", lambda o: lr.ConstantLR(o, factor=1.0))
line("linear", lambda o: lr.LinearLR(o, start_factor=0.25, end_factor=0.5, total_iters=7))
line("step", lambda o: lr.StepLR(o, 5, gamma=0.3))
line("milestones", lambda o: lr.MultiStepLR(o, [3, 3, 11], gamma=0.5))
line("exponential", lambda o: lr.ExponentialLR(o, 0.9))
line("polynomial", lambda o: lr.PolynomialLR(o, total_iters=9, power=1.5))
line("cosine", lambda o: lr.CosineAnnealingLR(o, T_max=23, eta_min=0.01))
line("restarts", lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.02))
line("restarts_alike", lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=5))
line("one_cycle", lambda o: lr.OneCycleLR(o, 0.1, total_steps=STEPS), STEPS - 1)
line("one_cycle_linear", lambda o: lr.OneCycleLR(o, 0.1, total_steps=STEPS, pct_start=0.45, anneal_strategy="linear"), STEPS - 1)
line("one_cycle_three", lambda o: lr.OneCycleLR(o, 0.1, total_steps=STEPS, three_phase=True, div_factor=10.0), STEPS - 1)
line(
    "warmup_cosine",
    lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, start_factor=0.1, total_iters=6), lr.CosineAnnealingLR(o, T_max=17)], milestones=[6]
    ),
)
observed = [1.0, 0.9, 0.9, 0.89995, 0.9, 0.9, 0.95, float("nan"), 0.7, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.6, 0.7, 0.7, 0.7]
line("plateau", lambda o: lr.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=1, min_lr=0.02), observed=observed)
line("plateau_greater", lambda o: lr.ReduceLROnPlateau(o, mode="max", patience=3, threshold=0.05), observed=observed)
