//! Metrics are scikit-learn's, whether a set is seen at once or in pieces (`tests/golden/metrics.py`).

use downhill::metrics::{
    Accuracy, Average, AveragePrecision, Brier, CalibrationError, Confusion, F1, LogLoss, Matthews,
    MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, Metric, Perplexity, Precision, R2,
    Recall, RocAuc, RootMeanSquaredError, TopK,
};
use downhill::prelude::*;
use std::collections::BTreeMap;

const GOLDEN: &str = include_str!("golden/metrics.txt");

/// A set with what scikit-learn gives for it.
struct Set {
    name: &'static str,
    width: usize,
    scores: Vec<f32>,
    labels: Vec<f32>,
    values: BTreeMap<&'static str, f64>,
}

fn sets() -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for line in GOLDEN.lines() {
        let (word, rest) = line.split_once(' ').expect("a word and more");
        let numbers = || rest.split(' ').map(|number| number.parse().expect("a number")).collect();
        if word == "set" {
            let (name, width) = rest.split_once(' ').expect("a name and a width");
            let width = width.parse().expect("a width");
            sets.push(Set { name, width, scores: Vec::new(), labels: Vec::new(), values: BTreeMap::new() });
            continue;
        }
        let set = sets.last_mut().expect("a set");
        match word {
            "scores" => set.scores = numbers(),
            "labels" => set.labels = numbers(),
            metric => _ = set.values.insert(metric, rest.parse().expect("a number")),
        }
    }
    sets
}

impl Set {
    fn is_regression(&self) -> bool {
        self.values.contains_key("r2")
    }

    /// Rows as a metric takes them.
    fn rows(&self, rows: std::ops::Range<usize>) -> (Tensor, Tensor) {
        let of = |numbers: &[f32], width: usize| numbers[rows.start * width..rows.end * width].to_vec();
        let shape = [rows.len(), self.width];
        let scores = Tensor::new(shape, of(&self.scores, self.width)).expect("scores");
        let labels = match self.is_regression() {
            true => Tensor::new(shape, of(&self.labels, self.width)).expect("targets"),
            false => {
                Tensor::from(of(&self.labels, 1).into_iter().map(|label| label as i32).collect::<Vec<_>>())
            }
        };
        (scores, labels)
    }

    fn metric(&self, name: &str) -> Box<dyn Metric> {
        let classes = self.width.max(2);
        let (kind, average) = name.split_once('_').unwrap_or((name, ""));
        let average = match average {
            "macro" => Average::Macro,
            "micro" => Average::Micro,
            "weighted" => Average::Weighted,
            _ => Average::Class(1),
        };
        match (name, kind) {
            ("accuracy", _) => Box::new(Accuracy::new()),
            ("top_2", _) => Box::new(TopK::new(2)),
            ("matthews", _) => Box::new(Matthews::new(classes)),
            ("roc_auc", _) => Box::new(RocAuc::new()),
            ("average_precision", _) => Box::new(AveragePrecision::new()),
            ("log_loss", _) => Box::new(LogLoss::new()),
            ("brier", _) => Box::new(Brier::new()),
            ("perplexity", _) => Box::new(Perplexity::new()),
            ("calibration", _) => Box::new(CalibrationError::new(10).expect("bins")),
            ("absolute", _) => Box::new(MeanAbsoluteError::new()),
            ("squared", _) => Box::new(MeanSquaredError::new()),
            ("root", _) => Box::new(RootMeanSquaredError::new()),
            ("r2", _) => Box::new(R2::new()),
            ("percentage", _) => Box::new(MeanAbsolutePercentageError::new()),
            (_, "precision") => Box::new(Precision::new(classes, average)),
            (_, "recall") => Box::new(Recall::new(classes, average)),
            (_, "f1") => Box::new(F1::new(classes, average)),
            _ => panic!("no metric {name}"),
        }
    }
}

#[test]
fn metrics_are_scikit_learns_in_any_pieces() {
    let mut compared = 0;
    for set in sets() {
        let rows = set.labels.len() / if set.is_regression() { set.width } else { 1 };
        for (&name, &expected) in &set.values {
            for piece in [rows, 7, 1] {
                let mut metric = set.metric(name);
                for start in (0..rows).step_by(piece) {
                    let (scores, labels) = set.rows(start..rows.min(start + piece));
                    metric
                        .add(&scores, &labels)
                        .unwrap_or_else(|error| panic!("{} {name}: {error}", set.name));
                }
                let value = metric.value();
                // scikit-learn's logarithms of f32 probabilities are f32s.
                let bound = if name == "log_loss" { 1e-6 } else { 1e-9 };
                let same = value.is_nan() && expected.is_nan()
                    || (value - expected).abs() <= bound * expected.abs().max(1.0);
                assert!(same, "{} {name} in pieces of {piece}: {value}, scikit-learn {expected}", set.name);
                compared += 1;

                metric.reset();
                assert!(metric.value().is_nan(), "{name} of nothing: {}", metric.value());
            }
        }
    }
    assert!(compared > 300, "only {compared} values were compared");
}

#[test]
fn scores_and_labels_come_in_several_shapes() {
    let p = [0.9_f32, 0.2, 0.8];
    let (flat, column) = (Tensor::from(p), Tensor::new([3, 1], p.to_vec()).expect("a column"));
    let labels = [
        Tensor::from([1_i32, 0, 0]),
        Tensor::from([1_u32, 0, 0]),
        Tensor::from([true, false, false]),
        Tensor::from([1.0_f32, 0.0, 0.0]),
        Tensor::from([1.0_f64, 0.0, 0.0]),
        Tensor::from([[1_i32], [0], [0]]),
    ];
    for scores in [&flat, &column] {
        for labels in &labels {
            let mut accuracy = Accuracy::new();
            accuracy.add(scores, labels).expect("rows");
            assert_eq!(accuracy.value(), 2.0 / 3.0, "{labels}");
        }
    }
    // A text: [batch, time, classes] for [batch, time].
    let scores = Tensor::new([1, 2, 3], vec![0.1_f32, 0.8, 0.1, 0.5, 0.2, 0.3]).expect("scores");
    let mut accuracy = Accuracy::new();
    accuracy.add(&scores, &Tensor::from([[1_i32, 2]])).expect("rows");
    assert_eq!(accuracy.value(), 0.5);
}

#[test]
fn mistakes_are_told_and_add_nothing() {
    let scores = Tensor::from([[0.9_f32, 0.1], [f32::NAN, 0.5]]);
    let message = |metric: &mut dyn Metric, scores: &Tensor, labels: &Tensor| {
        metric.add(scores, labels).expect_err("a mistake").to_string()
    };
    let labels = Tensor::from([0_i32, 1]);
    let mut confusion = Confusion::new(2);
    assert!(message(&mut confusion, &scores, &labels).starts_with("the score of row 1 is NaN"));
    assert!(confusion.value().is_nan());
    let error = message(&mut confusion, &Tensor::from([[0.1_f32, 0.9]]), &Tensor::from([2_i32]));
    assert_eq!(error, "`labels` holds class 2 at position 0, but classes are 0 to 1");
    let error = message(&mut confusion, &Tensor::from([[0.1_f32, 0.2, 0.9]]), &Tensor::from([2_i32]));
    assert!(error.starts_with("scores of 3 classes for a metric of 2"), "{error}");
    let error = message(&mut LogLoss::new(), &Tensor::from([[2.0_f32, -1.0]]), &Tensor::from([1_i32]));
    assert!(error.starts_with("row 0 holds 2, which is no probability"), "{error}");
    let error = message(&mut Brier::new(), &Tensor::from([0.5_f32]), &Tensor::from([0.5_f32]));
    assert!(error.starts_with("label 0.5 in row 0"), "{error}");
    let error = message(&mut Accuracy::new(), &Tensor::from([[0.5_f32, 0.5]]), &labels);
    assert!(error.starts_with("scores of shape [1, 2] for labels of shape [2]"), "{error}");
    let error = message(&mut R2::new(), &Tensor::from([f32::NAN]), &Tensor::from([0.5_f32]));
    assert!(error.starts_with("the prediction in row 0 is NaN"), "{error}");
    let error = message(&mut R2::new(), &Tensor::from([[1.0_f32, 2.0]]), &Tensor::from([1.0_f32, 2.0]));
    assert!(error.starts_with("predictions of shape [1, 2] for targets of shape [2]"), "{error}");
    assert!(CalibrationError::new(0).is_err() && CalibrationError::new(usize::MAX).is_err());
    assert!(Confusion::new(usize::MAX).add(&Tensor::from([[0.1_f32]]), &Tensor::from([0_i32])).is_err());
}
