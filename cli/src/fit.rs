//! `downhill fit`: a network trained on a file.

use crate::drawn;
use crate::failure::Failure;
use crate::judged::judged;
use crate::options::{Data, Settings};
use crate::report::{Report, counted, number};
use crate::saved::Saved;
use crate::training::{Divided, divided};
use downhill::fit::{Ended, History};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Train a network on a file of rows
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    settings: Settings,
    /// Where the model goes
    #[arg(long, value_name = "FILE")]
    save: Option<String>,
    /// A folder for pictures: losses, confusion matrix and ROC, or predicted numbers
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
    /// A table of the epochs, as CSV
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

impl Options {
    pub(crate) fn run(self, report: &mut Report) -> Result<(), Failure> {
        // What cannot be written is told before the work is done.
        let files = self.save.iter().map(PathBuf::from).chain(self.history.clone());
        let picture = self.pictures.as_ref().map(|folder| folder.join("losses.svg"));
        let files: Vec<PathBuf> = files.chain(picture).collect();
        files.iter().try_for_each(downhill::file::check)?;
        if !files.is_empty() {
            report.outlive();
        }

        let divided = divided(&self.data, report)?;
        let mut net = divided.built(&self.settings, self.data.seed)?;
        let summary = net.summary();
        report.tell("network", divided.shape(&self.settings).to_json(), format!("\n{summary}\n"))?;
        report.document("parameters", json!(summary.parameters));
        let history = divided.train(&mut net, &self.settings, self.data.seed)?;
        tell(report, &history)?;

        // First of all the model is on the disk.
        let saved = self.saved(&divided);
        if let Some(path) = &self.save {
            saved.save(&net, path)?;
        }
        if let Some(path) = &self.history {
            downhill::file::write(path, history.to_csv().as_bytes())?;
        }
        if let Some(folder) = &self.pictures {
            drawn::losses(folder, &history)?;
        }
        if let Some(test) = &divided.test {
            judged(&saved, &net, ("\nheld out", test), self.pictures.as_deref(), report)?;
        }
        match &self.save {
            Some(path) => report.tell("saved", json!(path), format!("\nsaved to {path}")),
            None => Ok(()),
        }
    }

    fn saved(&self, divided: &Divided) -> Saved {
        Saved {
            shape: divided.shape(&self.settings),
            prepared: divided.prepared.clone(),
            baseline: divided.baseline.clone(),
            reading: divided.reading.clone(),
        }
    }
}

/// How many epochs were made, why no more, and which was the best.
fn tell(report: &mut Report, history: &History) -> Result<(), Failure> {
    let why = match history.ended {
        Ended::Epochs => "all of them",
        Ended::Patience => "then nothing got better",
        Ended::Time => "then the time was over",
        Ended::Stopped => "then it was stopped",
        Ended::Callback => "then it was ended",
    };
    let ended = match history.ended {
        Ended::Epochs => "epochs",
        Ended::Patience => "patience",
        Ended::Time => "time",
        Ended::Stopped | Ended::Callback => "stopped",
    };
    let seconds = history.time.as_secs_f64();
    let mut text = format!("trained for {} in {seconds:.2} s, {why}", counted(history.epochs.len(), "epoch"));
    let best = history.best().map_or(Json::Null, |best| {
        let validation =
            best.validation.map_or(String::new(), |loss| format!(", validation {}", number(loss)));
        text += &format!("\nbest: epoch {} (from 0), loss {}{validation}", best.epoch, number(best.loss));
        json!({ "epoch": best.epoch, "loss": best.loss, "validation": best.validation })
    });
    let document =
        json!({ "epochs": history.epochs.len(), "seconds": seconds, "ended": ended, "best": best });
    report.tell("training", document, text)
}
