"""scikit-learn's metrics for `tests/metrics.rs`: sets of scores and labels, and what scikit-learn gives for them.

A line `set name width`, then a line `scores …`, a line `labels …`, and a line `name value` for each metric.

    python tests/golden/metrics.py > tests/golden/metrics.txt
"""

import warnings

import numpy as np
from sklearn import metrics as m

warnings.simplefilter("ignore")
random = np.random.default_rng(7)


def begin(name, width, scores, labels):
    print("set", name, width)
    print("scores", *(f"{x:.9g}" for x in np.asarray(scores, np.float32).ravel()))
    print("labels", *(f"{x:.9g}" for x in np.asarray(labels).ravel()))


def value(name, number):
    print(name, f"{float(number):.12g}")


def averages(labels, predicted):
    for average in ["macro", "micro", "weighted"]:
        value(f"precision_{average}", m.precision_score(labels, predicted, average=average, zero_division=0))
        value(f"recall_{average}", m.recall_score(labels, predicted, average=average, zero_division=0))
        value(f"f1_{average}", m.f1_score(labels, predicted, average=average, zero_division=0))
    value("matthews", m.matthews_corrcoef(labels, predicted))
    value("accuracy", m.accuracy_score(labels, predicted))


def calibration(confidence, right, bins=10):
    """Guo et al.'s formula; scikit-learn has none."""
    at = np.clip(np.ceil(confidence.astype(np.float64) * bins), 1, bins).astype(int)
    rows = len(confidence)
    return sum(
        (at == b).sum() / rows * abs(right[at == b].mean() - confidence[at == b].astype(np.float64).mean())
        for b in range(1, bins + 1)
        if (at == b).any()
    )


def binary(name, scores, labels):
    scores, labels = np.asarray(scores, np.float32), np.asarray(labels)
    begin(name, 1, scores, labels)
    predicted = (scores > 0.5).astype(int)
    averages(labels, predicted)
    value("precision_1", m.precision_score(labels, predicted, zero_division=0))
    value("recall_1", m.recall_score(labels, predicted, zero_division=0))
    value("f1_1", m.f1_score(labels, predicted, zero_division=0))
    one_class = len(set(labels)) < 2
    value("roc_auc", float("nan") if one_class else m.roc_auc_score(labels, scores))
    value("average_precision", m.average_precision_score(labels, scores))
    value("log_loss", m.log_loss(labels, scores, labels=[0, 1]))
    value("brier", m.brier_score_loss(labels, scores.astype(np.float64), labels=[0, 1]))
    confidence = np.where(scores > 0.5, scores.astype(np.float64), 1.0 - scores.astype(np.float64))
    value("calibration", calibration(confidence, (predicted == labels).astype(float)))


def many(name, logits, labels, classes):
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)
    begin(name, classes, probabilities, labels)
    averages(labels, probabilities.argmax(1))
    every = list(range(classes))
    value("top_2", m.top_k_accuracy_score(labels, probabilities, k=2, labels=every))
    if len(set(labels)) == classes:
        value("roc_auc", m.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
        of_class = [m.average_precision_score(labels == k, probabilities[:, k]) for k in every]
        value("average_precision", np.mean(of_class))
    value("log_loss", m.log_loss(labels, probabilities, labels=every))
    value("brier", m.brier_score_loss(labels, probabilities.astype(np.float64), labels=every))
    value("calibration", calibration(probabilities.max(1), (probabilities.argmax(1) == labels).astype(float)))
    # Probabilities as logits.
    exact = probabilities.astype(np.float64)
    surprise = np.log(np.exp(exact).sum(1)) - exact[np.arange(len(labels)), labels]
    value("perplexity", np.exp(surprise.mean()))


def regression(name, predicted, targets):
    predicted, targets = np.asarray(predicted, np.float32), np.asarray(targets, np.float32)
    begin(name, 1 if predicted.ndim == 1 else predicted.shape[1], predicted, targets)
    p, y = predicted.astype(np.float64), targets.astype(np.float64)
    value("absolute", m.mean_absolute_error(y, p))
    value("squared", m.mean_squared_error(y, p))
    value("root", m.root_mean_squared_error(y, p))
    value("r2", m.r2_score(y, p))
    value("percentage", m.mean_absolute_percentage_error(y, p))


labels = random.integers(0, 2, 40)
binary("binary", np.clip(0.35 * labels + random.random(40) * 0.6, 0, 1), labels)
binary("ties", np.round(random.random(30) * 4) / 4, random.integers(0, 2, 30))
binary("certain", [0.0, 1.0, 1.0, 0.0], [0, 1, 0, 1])
binary("one_class", [0.2, 0.9, 0.5], [0, 0, 0])
binary("all_taken", [0.7, 0.9, 0.6, 0.8], [0, 1, 1, 0])

labels = random.integers(0, 4, 50)
many("four", random.normal(size=(50, 4)) + 1.5 * np.eye(4)[labels], labels, 4)
labels = np.concatenate([np.zeros(9, int), np.ones(3, int), np.full(2, 2)])
many("uneven", random.normal(size=(14, 3)), labels, 3)
many("absent", random.normal(size=(12, 4)) - np.array([0, 0, 0, 50.0]), random.integers(0, 3, 12), 4)

targets = random.normal(size=30) * 3
regression("numbers", targets + random.normal(size=30), targets)
regression("offset", 1000 + random.normal(size=20), 1000 + random.normal(size=20))
regression("constant", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
regression("equal", [2.0, 2.0], [2.0, 2.0])
regression("with_zero", [0.5, 2.0], [0.0, 2.5])
targets = random.normal(size=(25, 3)) * [1, 10, 100]
regression("columns", targets + random.normal(size=(25, 3)), targets)
