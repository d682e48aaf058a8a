//! Training that is written down after each epoch goes on from its file with the bits of one that was never interrupted.

use downhill::fit::{Ended, Resume, Verdict};
use downhill::prelude::*;
use downhill::schedules::ReduceOnPlateau;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

network! {
    Noisy(hidden: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = dropout(relu(batch_norm(linear(x, hidden))), 0.3);
        output p = linear(h, 1);
        loss   squared_error(p, y);
    }
}

/// A folder of this test's own, which ends with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("downhill-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn data(rows: usize, from: usize) -> Dataset {
    let x: Vec<f32> = (0..rows * 3).map(|n| ((n + from) * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    let y: Vec<f32> = x.chunks(3).map(|x| x[0] * x[1] + 0.3 * x[2]).collect();
    let column = |width, numbers| Tensor::new([rows, width], numbers).expect("a column");
    Dataset::new([("x", column(3, x)), ("y", column(1, y))]).expect("data")
}

/// With moments, averages of weights, running statistics and dropout.
fn net(seed: u64) -> Model {
    let optimizer = adamw(0.03).average(0.9).clip_norm(1.0);
    Noisy::new(12).seed(seed).optimizer(optimizer).build().expect("a network")
}

const EPOCHS: u64 = 14;

fn options<'a>(validation: &'a Dataset, path: &'a Path) -> Fit<'a> {
    Fit {
        epochs: EPOCHS,
        batch: 16,
        accumulate: 2,
        seed: 5,
        validation: Some(validation),
        plateau: Some(ReduceOnPlateau::new(0.03).patience(1).factor(0.5).cooldown(1)),
        patience: Some(6),
        save: Some(path),
        ..Fit::default()
    }
}

/// The rest of the epochs, from the file if it is there.
fn go_on(
    path: &Path,
    training: &Dataset,
    options: Fit<'_>,
) -> (Model, Result<downhill::fit::History, downhill::Error>) {
    let mut net = net(if path.exists() { 99 } else { 1 });
    let resume = if path.exists() { net.load_training(path).expect("its file") } else { Resume::default() };
    let epochs = EPOCHS - resume.epoch;
    let history = net.fit(training, Fit { epochs, resume: Some(resume), ..options });
    (net, history)
}

#[test]
fn a_training_that_ends_at_any_moment_goes_on_with_the_same_bits() {
    let folder = Folder::new("saved-training");
    let (training, validation) = (data(150, 0), data(60, 500));
    let (one, other) = (folder.0.join("whole.safetensors"), folder.0.join("pieces.safetensors"));
    let (whole, history) = go_on(&one, &training, options(&validation, &one));
    let history = history.expect("training");
    let best = history.best().expect("a best epoch").epoch;
    assert!(best > 0 && best + 1 < history.resume.epoch, "the best is in the midst: {history}");

    // Each piece ends by an error of the callback: what follows the epoch's end is lost, as if the process had been killed.
    let mut pieces = 0;
    let resumed = loop {
        let mut left = 2;
        let mut dies = |_: &mut Model, _: &downhill::fit::Record| {
            left -= 1;
            match left {
                0 => Err(downhill::Error::Usage { message: "killed".into(), help: String::new() }),
                _ => Ok(Verdict::Continue),
            }
        };
        let said = Fit { each_epoch: Some(&mut dies), ..options(&validation, &other) };
        let (net, ended) = go_on(&other, &training, said);
        pieces += 1;
        match ended {
            Ok(ended) => {
                assert_eq!(ended.resume, history.resume);
                break net;
            }
            Err(error) => assert!(error.to_string().starts_with("killed")),
        }
        assert!(pieces < 40);
    };
    assert!(pieces > 3, "{pieces}");
    // The model of the best epoch, though another process had made it; and the same bytes.
    assert_eq!(resumed.state(), whole.state());
    assert!(std::fs::read(&one).expect("a file") == std::fs::read(&other).expect("a file"));
    assert_eq!(std::fs::read_dir(&folder.0).expect("a folder").count(), 2);

    // One whose patience had ended stays ended.
    assert_eq!(history.ended, Ended::Patience);
    let (again, ended) = go_on(&one, &training, options(&validation, &one));
    let ended = ended.expect("nothing to do");
    assert_eq!((ended.ended, ended.epochs.len()), (Ended::Patience, 0));
    assert_eq!(again.state().parameters, whole.state().parameters);
}

#[test]
fn a_training_that_is_stopped_within_an_epoch_is_written_down() {
    let folder = Folder::new("stopped-training");
    let (training, validation) = (data(150, 0), data(60, 500));
    let (one, other) = (folder.0.join("whole.safetensors"), folder.0.join("pieces.safetensors"));
    let program = net(1).program().clone();
    let mut whole = program.model(1).expect("a model");
    whole.fit(&training, Fit { epochs: 4, patience: None, ..options(&validation, &one) }).expect("training");

    let (mut rows, mut ends) = (Vec::new(), 0);
    let mut last = program.model(1).expect("a model");
    let mut resume = Resume::default();
    while resume.epoch < 4 {
        let stop = Arc::new(AtomicBool::new(false));
        if other.exists() {
            last = program.model(77).expect("a model");
            resume = last.load_training(&other).expect("its file");
        }
        let flag = stop.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_micros(500 * ends));
            flag.store(true, Ordering::Relaxed);
        });
        let epochs = 4 - resume.epoch;
        let said = Fit {
            epochs,
            patience: None,
            resume: Some(resume),
            stop: Some(&stop),
            ..options(&validation, &other)
        };
        resume = last.fit(&training, said).expect("training").resume;
        stopper.join().expect("the flag is set");
        rows.push(resume.row);
        ends += 1;
    }
    assert_eq!(last.state(), whole.state(), "ended behind rows {rows:?}");
    assert!(std::fs::read(&one).expect("a file") == std::fs::read(&other).expect("a file"));
}

#[test]
fn files_that_do_not_fit_are_told() {
    let folder = Folder::new("odd-training");
    let (training, validation) = (data(60, 0), data(60, 500));
    let path = folder.0.join("run.safetensors");
    let mut first = net(1);
    first.fit(&training, Fit { epochs: 2, ..options(&validation, &path) }).expect("training");
    let before = first.state();

    // A model alone is no training, and a training is a model too.
    let alone = folder.0.join("alone.safetensors");
    first.save(&alone).expect("a file");
    let message = first.load_training(&alone).expect_err("no training").to_string();
    assert!(message.contains("holds a model, and not where a training is"), "{message}");
    let mut served = Noisy::new(12).build().expect("a network");
    served.load_parameters(&path).expect("its parameters");
    let mut loaded = net(3);
    loaded.load(&path).expect("its state");
    assert_eq!(loaded.steps_made(), 4);

    let mut wide = Noisy::new(13).optimizer(adamw(0.03)).build().expect("a network");
    assert!(wide.load_training(&path).expect_err("another width").to_string().contains("was given as"));
    assert!(first.load_training(folder.0.join("none")).is_err());
    assert_eq!(first.state(), before);

    let resume = Resume { row: 60, ..Resume::default() };
    let said = Fit { resume: Some(resume), ..options(&validation, &path) };
    let message = first.fit(&training, said).expect_err("other data").to_string();
    assert!(
        message.starts_with("training goes on behind row 60 of an epoch, but the data has 60 rows"),
        "{message}"
    );
    let message = first.fit(&training, options(&validation, &folder.0)).expect_err("a folder").to_string();
    assert!(message.contains("cannot be written") && first.state() == before, "{message}");
}
