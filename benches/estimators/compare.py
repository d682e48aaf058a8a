"""Tables that scikit-learn's MLPClassifier and MLPRegressor are trained on, beside PyTorch and downhill: the same rows, layers and options.

    python benches/estimators/compare.py      # needs scikit-learn, torch and cargo; prints the table of README.md

One hidden layer of 100 rectifiers, Adam with a rate of 0.001, no penalty, batches of min(200, rows), as many epochs as the table says for
everyone. Weights begin as Glorot and Bengio have them, of another seed in each of five runs. A time is that of fitting alone, the least of the five, and downhill's
counts the building of its machine code in. All of them have one thread.
"""

import csv
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
    os.environ[name] = "1"

import numpy
import torch
from sklearn import datasets
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import nn

# Everyone makes as many epochs as the table says.
warnings.simplefilter("ignore")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "target" / "estimators"
HIDDEN, RATE, SEEDS = 100, 1e-3, range(5)


def tables():
    """Name, inputs, targets, epochs."""
    yield "digits", *datasets.load_digits(return_X_y=True), 100
    yield "breast cancer", *datasets.load_breast_cancer(return_X_y=True), 100
    yield "wine", *datasets.load_wine(return_X_y=True), 100
    yield "diabetes", *datasets.load_diabetes(return_X_y=True), 200
    yield "20,000 × 50, 10 classes", *datasets.make_classification(
        20_000, 50, n_informative=20, n_classes=10, random_state=0), 20
    yield "20,000 × 20, Friedman 1", *datasets.make_friedman1(20_000, 20, noise=1.0, random_state=0), 20


def split(x, y):
    """Training and test rows, scaled by the training rows; targets that are numbers are scaled too."""
    is_classes = y.dtype.kind == "i"
    parts = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y if is_classes else None)
    x, test_x, y, test_y = parts
    scale = StandardScaler().fit(x)
    x, test_x = (scale.transform(part).astype(numpy.float32) for part in (x, test_x))
    if is_classes:
        return x, test_x, y.astype(numpy.int32), test_y.astype(numpy.int32)
    y, test_y = ((part - y.mean()) / y.std() for part in (y, test_y))
    return x, test_x, y.astype(numpy.float32), test_y.astype(numpy.float32)


def score(is_classes, truth, predicted):
    return accuracy_score(truth, predicted) if is_classes else r2_score(truth, predicted)


def of_sklearn(x, test_x, y, batch, epochs, seed):
    kind = MLPClassifier if y.dtype.kind == "i" else MLPRegressor
    net = kind(hidden_layer_sizes=(HIDDEN,), alpha=0.0, batch_size=batch, learning_rate_init=RATE, max_iter=epochs, tol=0.0,
               n_iter_no_change=epochs, random_state=seed)
    begin = time.perf_counter()
    net.fit(x, y)
    return time.perf_counter() - begin, net.predict(test_x)


def of_torch(x, test_x, y, batch, epochs, seed):
    is_classes = y.dtype.kind == "i"
    torch.manual_seed(seed)
    x, test_x, y = (torch.from_numpy(part) for part in (x, test_x, y))
    y = y.long() if is_classes else y[:, None]
    begin = time.perf_counter()
    net = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, int(y.max()) + 1 if is_classes else 1))
    for layer in (net[0], net[2]):
        nn.init.xavier_uniform_(layer.weight)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    loss = nn.CrossEntropyLoss() if is_classes else nn.MSELoss()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for rows in order.split(batch):
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
    took = time.perf_counter() - begin
    with torch.no_grad():
        scores = net(test_x)
    return took, (scores.argmax(1) if is_classes else scores[:, 0]).numpy()


def write(number, x, test_x, y, test_y):
    numpy.save(FOLDER / f"{number}_x.npy", numpy.concatenate([x, test_x]))
    numpy.save(FOLDER / f"{number}_y.npy", numpy.concatenate([y, test_y]))


def of_downhill(jobs):
    """Scores and times by the number of a table, from `benches/estimators.rs`."""
    with open(FOLDER / "tables.csv", "w") as file:
        csv.writer(file).writerows([("number", "training", "classes", "hidden", "batch", "epochs", "seeds"), *jobs])
    command = ["cargo", "bench", "--quiet", "--bench", "estimators", "--", str(FOLDER)]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for line in printed.splitlines():
        number, of_score, seconds = line.split()
        found.setdefault(int(number), []).append((float(seconds), float(of_score)))
    return found


def cell(runs):
    seconds, scores = zip(*runs)
    return min(seconds), f"{numpy.mean(scores):.3f} ± {numpy.std(scores):.3f}"


def main():
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows, jobs = [], []
    for number, (name, x, y, epochs) in enumerate(tables()):
        x, test_x, y, test_y = split(x, y)
        is_classes, batch = y.dtype.kind == "i", min(200, len(x))
        write(number, x, test_x, y, test_y)
        jobs.append((number, len(x), int(y.max()) + 1 if is_classes else 0, HIDDEN, batch, epochs, len(SEEDS)))
        runs = []
        for peer in (of_sklearn, of_torch):
            told = [peer(x, test_x, y, batch, epochs, seed) for seed in SEEDS]
            runs.append(cell([(took, score(is_classes, test_y, predicted)) for took, predicted in told]))
        print(name, *runs, file=sys.stderr, flush=True)
        rows.append((name, "accuracy" if is_classes else "R²", epochs, runs))

    own = of_downhill(jobs)
    print("| table | score | epochs | scikit-learn | PyTorch | downhill | scikit-learn, s | PyTorch, s | downhill, s | as fast as scikit-learn |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for number, (name, measure, epochs, runs) in enumerate(rows):
        runs = [*runs, cell(own[number])]
        times = [took for took, _ in runs]
        scores = " | ".join(told for _, told in runs)
        seconds = " | ".join(f"{took:.3g}" for took in times)
        print(f"| {name} | {measure} | {epochs} | {scores} | {seconds} | {times[0] / times[2]:.1f}× |")


if __name__ == "__main__":
    main()
