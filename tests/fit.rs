//! `fit`: the bits of a loop of one's own, its limits, its best epoch.

use downhill::fit::{Ended, Resume, Verdict, Watch, seed_of};
use downhill::prelude::*;
use downhill::schedules::{ReduceOnPlateau, cosine};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

network! {
    Classifier(hidden: usize) {
        input  x: [batch, 2];
        target t: i32[batch];
        let h = dropout(relu(linear(x, hidden)), 0.1);
        output logits = linear(h, 2);
        loss   cross_entropy(logits, t);
    }
}

/// Points within a circle or without; a share of the labels is wrong.
fn points(rows: usize, wrong: usize) -> Dataset {
    let at = |n: usize| ((n * 7919 % 1009) as f32 / 504.5 - 1.0, (n * 104_729 % 997) as f32 / 498.5 - 1.0);
    let x: Vec<[f32; 2]> = (0..rows).map(at).map(|(a, b)| [a, b]).collect();
    let inside = |n: usize| x[n][0].powi(2) + x[n][1].powi(2) < 0.6;
    let t: Vec<i32> = (0..rows).map(|n| i32::from(inside(n) != (wrong > 0 && n % wrong == 0))).collect();
    let x = Tensor::new([rows, 2], x.into_iter().flatten().collect::<Vec<f32>>()).expect("x");
    Dataset::new([("x", x), ("t", Tensor::from(t))]).expect("data")
}

fn net() -> Model {
    Classifier::new(16).seed(3).optimizer(adam(0.01)).build().expect("a network")
}

fn ten<'a>() -> Fit<'a> {
    Fit { epochs: 10, batch: 16, seed: 5, ..Fit::default() }
}

#[test]
fn it_is_a_loop_of_epochs_to_the_bit() {
    let data = points(203, 0);
    let (mut fitted, mut own) = (net(), net());
    let schedule = cosine(0.02, 130);
    let options = Fit { schedule: Some(schedule.clone()), ..ten() };
    let history = fitted.fit(&data, options).expect("training");
    for epoch in 0..10 {
        let rates = schedule.rates(own.steps_made(), data.steps(16));
        let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
        let report =
            own.epoch_with(&data, Epoch { batch: 16, seed: seed_of(5, epoch) }, options).expect("an epoch");
        assert_eq!(report.mean(), history.epochs[epoch as usize].loss);
    }
    assert_eq!(fitted.state(), own.state());
    assert_eq!((history.epochs.len(), history.ended), (10, Ended::Epochs));
    assert_eq!(history.last().expect("an epoch").learning_rate, schedule.rate(129));
    assert!(history.last().expect("an epoch").loss < 0.8 * history.epochs[0].loss, "{history}");
    // Looked at between steps, it is the same.
    let mut looked_at = net();
    let (stop, options) = (AtomicBool::new(false), Fit { schedule: Some(schedule), ..ten() });
    looked_at.fit(&data, Fit { stop: Some(&stop), ..options }).expect("training");
    assert_eq!(looked_at.state(), own.state());
}

#[test]
fn a_resumed_training_has_the_bits_of_a_whole_one() {
    let data = points(100, 0);
    let (mut whole, mut first) = (net(), net());
    whole.fit(&data, ten()).expect("training");
    first.fit(&data, Fit { epochs: 4, ..ten() }).expect("training");
    let mut resumed = Classifier::new(16).optimizer(adam(0.5)).build().expect("a network");
    resumed.restore(&first.state()).expect("the same network");
    let resume = Resume { epoch: 4, ..Resume::default() };
    let history = resumed.fit(&data, Fit { epochs: 6, resume: Some(resume), ..ten() }).expect("training");
    assert_eq!(resumed.state(), whole.state());
    assert_eq!((history.epochs[0].epoch, history.resume.epoch), (4, 10));
}

fn judged(validation: &Dataset) -> Fit<'_> {
    Fit {
        validation: Some(validation),
        plateau: Some(ReduceOnPlateau::new(0.02).patience(1).factor(0.7)),
        patience: Some(100),
        keep_best: false,
        ..ten()
    }
}

#[test]
fn pieces_of_any_length_are_a_whole_training() {
    let (training, validation) = (points(100, 3), points(50, 0));
    let mut whole = net();
    let at_once = whole.fit(&training, Fit { epochs: 12, ..judged(&validation) }).expect("training");
    // Ended within epochs, by a flag that another thread sets at any moment, and taken up again.
    let mut pieces = net();
    let (mut resume, mut ends) = (Resume::default(), 0);
    while resume.epoch < 12 {
        let stop = AtomicBool::new(false);
        let history = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(200 + 700 * ends));
                stop.store(true, Ordering::Relaxed);
            });
            let options = Fit {
                epochs: 12 - resume.epoch,
                stop: Some(&stop),
                resume: Some(resume.clone()),
                ..judged(&validation)
            };
            pieces.fit(&training, options).expect("training")
        });
        (resume, ends) = (history.resume, ends + 1);
    }
    assert_eq!(pieces.state(), whole.state());
    assert_eq!(resume, at_once.resume);
}

#[test]
fn the_best_epoch_is_kept_and_patience_ends() {
    let (training, validation) = (points(60, 3), points(400, 0));
    let mut net = Classifier::new(64).seed(1).optimizer(adam(0.05)).build().expect("a network");
    let options =
        Fit { epochs: 500, batch: 20, validation: Some(&validation), patience: Some(15), ..Fit::default() };
    let history = net.fit(&training, options).expect("training");
    let best = history.best().expect("a best epoch");
    assert_eq!(history.ended, Ended::Patience);
    assert_eq!(history.epochs.len() as u64, best.epoch + 16);
    let lowest = history.epochs.iter().filter_map(|it| it.validation).fold(f64::INFINITY, f64::min);
    assert_eq!(best.validation, Some(lowest));
    assert_eq!(net.evaluate_loss(None, &validation, 20).expect("a loss"), lowest);
    assert!(history.last().expect("an epoch").validation.expect("a loss") > lowest, "{history}");
    assert!(history.to_string().contains("best\n"), "{history}");
    assert_eq!(history.to_csv().lines().count(), history.epochs.len() + 1);
}

#[test]
fn a_metric_judges_where_it_is_watched() {
    let (training, validation) = (points(200, 0), points(300, 0));
    let mut net = net();
    let accuracy = |net: &Model, data: &Dataset| accuracy(&net.predict(data)?, data.column("t")?);
    let options =
        Fit { validation: Some(&validation), metric: Some(&accuracy), watch: Watch::Highest, ..ten() };
    let history = net.fit(&training, options).expect("training");
    let highest = history.epochs.iter().filter_map(|it| it.metric).fold(0.0, f64::max);
    assert_eq!(accuracy(&net, &validation).expect("a share"), highest);
    assert!(highest > 0.8, "{history}");
    let message =
        net.fit(&training, Fit { watch: Watch::Lowest, ..ten() }).expect_err("no metric").to_string();
    assert!(message.starts_with("epochs are to be judged by a metric"), "{message}");
}

#[test]
fn limits_end_between_steps() {
    let data = points(1000, 0);
    let mut timed = net();
    let start = Instant::now();
    let options = Fit { epochs: u64::MAX, time: Some(Duration::from_millis(300)), ..ten() };
    let history = timed.fit(&data, options).expect("training");
    let took = start.elapsed();
    assert_eq!(history.ended, Ended::Time);
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(20), "{took:?}");
    let stop = AtomicBool::new(true);
    let history = timed.fit(&data, Fit { stop: Some(&stop), ..ten() }).expect("training");
    assert_eq!((history.epochs.len(), history.ended), (0, Ended::Stopped));
    // A callback may set it, or say so.
    stop.store(false, Ordering::Relaxed);
    let mut seen = Vec::new();
    let mut third = |net: &mut Model, record: &downhill::fit::Record| {
        seen.push((record.epoch, net.steps_made() == record.steps));
        Ok(if record.epoch == 2 { Verdict::Stop } else { Verdict::Continue })
    };
    let history = net().fit(&data, Fit { each_epoch: Some(&mut third), ..ten() }).expect("training");
    assert_eq!((history.epochs.len(), history.ended), (3, Ended::Callback));
    assert_eq!(seen, [(0, true), (1, true), (2, true)]);
}

#[test]
fn a_plateau_lowers_the_rate() {
    let (training, validation) = (points(60, 3), points(400, 0));
    let mut net = Classifier::new(64).seed(1).optimizer(adam(0.05)).build().expect("a network");
    let plateau = ReduceOnPlateau::new(0.05).patience(2).factor(0.5);
    let options = Fit { epochs: 40, validation: Some(&validation), plateau: Some(plateau), ..Fit::default() };
    let history = net.fit(&training, options).expect("training");
    let rates: Vec<f32> = history.epochs.iter().map(|it| it.learning_rate).collect();
    assert!(rates[0] == 0.05 && *rates.last().expect("a rate") < 0.02, "{history}");
    assert!(rates.windows(2).all(|pair| pair[1] <= pair[0]), "{history}");
}

#[test]
fn what_makes_no_sense_is_said() {
    let data = points(20, 0);
    let words = |options: Fit<'_>| net().fit(&data, options).expect_err("a mistake").to_string();
    assert!(words(Fit { batch: 0, ..ten() }).contains("a batch of 0"));
    assert!(words(Fit { patience: Some(0), ..ten() }).contains("a patience of 0"));
    let both = Fit { schedule: Some(cosine(0.1, 10)), plateau: Some(ReduceOnPlateau::new(0.1)), ..ten() };
    assert!(words(both).contains("a schedule and a plateau"));
    assert!(words(Fit { loss: Some("lost"), ..ten() }).contains("`lost`"));
    let mut untrained = Classifier::new(2).build().expect("a network");
    assert!(untrained.fit(&data, ten()).expect_err("no optimizer").to_string().contains("optimizer"));
    assert!(
        net().fit(&points(0, 0), ten()).expect_err("no rows").to_string().contains("no rows to train on")
    );
    let narrow = Dataset::new([("x", Tensor::from([[1.0_f32]])), ("t", Tensor::from([0]))]).expect("data");
    let mut fresh = net();
    let message =
        fresh.fit(&data, Fit { validation: Some(&narrow), ..ten() }).expect_err("a misfit").to_string();
    assert!(message.contains("`x`") && fresh.steps_made() == 0, "{message}");
    // With no end of epochs, behind those that were made.
    let resume = Resume { epoch: 20, ..Resume::default() };
    let endless =
        Fit { epochs: u64::MAX, time: Some(Duration::from_millis(5)), resume: Some(resume), ..ten() };
    assert_eq!(net().fit(&data, endless).expect("training").ended, Ended::Time);
}
