//! `downhill evaluate`: how good a model is on rows whose target is known.

use crate::failure::{Failure, failed};
use crate::judged::judged;
use crate::known::Use;
use crate::report::{Report, counted};
use std::path::PathBuf;

/// Measure a model on a file of rows whose target is known
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    rows: Use,
    /// A folder for pictures: confusion matrix and ROC, or predicted numbers
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
}

impl Options {
    pub(crate) fn run(self, report: &mut Report) -> Result<(), Failure> {
        let (saved, net) = self.rows.load()?;
        let prepared = &saved.prepared;
        let all = self.rows.table(&saved, true, &[], report)?;
        let table = prepared.with_target(&all)?;
        let without = all.rows() - table.rows();
        if without > 0 {
            report.note(format!(
                "{} without a value of `{}` left out",
                counted(without, "row"),
                prepared.target
            ));
        }
        if table.rows() == 0 {
            return Err(failed(format!("{}: no row has a value of `{}`", self.rows.data, prepared.target)));
        }

        judged(&saved, &net, (&self.rows.data, &table), self.pictures.as_deref(), report)
    }
}
