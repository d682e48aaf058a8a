//! Where training is, in one file with the model.
//!
//! In: a model in the midst of training. Out: a file; and the same model from it, with what [`Fit::resume`](crate::fit::Fit::resume) takes.
//!
//! Must hold: all of it is in one file, which is written whole or not at all, so that no part is older than another.

use super::history::Resume;
use crate::checkpoint::{save_training, taken};
use crate::mistake::broken;
use crate::schedules::ReduceOnPlateau;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Writes a model and where its training is.
pub(super) fn save(net: &Model, path: &Path, resume: &Resume) -> Result<(), Error> {
    let mut told = BTreeMap::new();
    let mut tell = |key: &str, text: String| _ = told.insert(key.to_owned(), text);
    tell("epoch", resume.epoch.to_string());
    tell("row", resume.row.to_string());
    tell("since", resume.since.to_string());
    if let Some(best) = resume.best {
        tell("best", best.to_string());
    }
    if let Some(plateau) = resume.plateau {
        tell("plateau", plateau.to_text());
    }
    save_training(net, path, told, resume.weights.as_deref())
}

/// Goes on from a file. A model that it does not fit is as it was.
pub(super) fn load(net: &mut Model, path: &Path) -> Result<Resume, Error> {
    let taken = taken(net, path)?.whole(path)?;
    if taken.training.is_empty() {
        let message = "holds a model, and not where a training is: `load` takes it, and `Fit { save: … }` writes such files";
        return Err(broken(path, message));
    }
    let weights = taken.best.map(Arc::new);
    let resume = resume_of(&taken.training).ok_or_else(|| broken(path, "has a broken entry `training`"))?;
    if let Some(weights) = &weights {
        net.clone().restore_parameters(weights)?;
    }
    net.restore(&taken.state)?;
    Ok(Resume { weights, ..resume })
}

fn resume_of(told: &BTreeMap<String, String>) -> Option<Resume> {
    Some(Resume {
        epoch: said(told, "epoch")??,
        row: said(told, "row")??,
        best: said(told, "best")?,
        since: said(told, "since")??,
        weights: None,
        plateau: match told.get("plateau") {
            None => None,
            Some(text) => Some(ReduceOnPlateau::of_text(text)?),
        },
    })
}

/// What is said of this, if anything is; `None` where that is no number.
fn said<T: FromStr>(told: &BTreeMap<String, String>, key: &str) -> Option<Option<T>> {
    match told.get(key) {
        None => Some(None),
        Some(text) => text.parse().ok().map(Some),
    }
}
