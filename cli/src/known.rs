//! Later rows, for a model that is there already.
//!
//! In: a model's file, a file of rows. Out: the rows with the columns that the model reads.

use crate::columns::Goal;
use crate::failure::{Failure, failed};
use crate::prepared::Prepared;
use crate::report::{Report, listed};
use crate::saved::Saved;
use crate::source::{Reading, Source};
use downhill::data::schema::{Kind, Schema};
use downhill::data::table::Table;
use downhill::prelude::*;

/// A model and rows for it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Use {
    /// What `downhill fit --save` wrote
    pub(crate) model: String,
    /// A file of separated values with the columns that the model reads; `-` is the standard input
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Threads [default: 1, or DOWNHILL_THREADS]
    #[arg(long, value_parser = crate::options::count)]
    pub(crate) threads: Option<usize>,
}

impl Use {
    /// The model; its file is read first, so that a wrong one is told before rows are waited for.
    pub(crate) fn load(&self) -> Result<(Saved, Model), Failure> {
        Saved::load(&self.model, self.threads)
    }

    /// The rows, with the columns of the model, its target if asked for, and others as texts.
    pub(crate) fn table(
        &self,
        saved: &Saved,
        with_target: bool,
        others: &[String],
        report: &mut Report,
    ) -> Result<Table, Failure> {
        let prepared = &saved.prepared;
        let source = Source::open(&self.data, &self.reading.clone().or(&saved.reading))?;
        others.iter().try_for_each(|column| source.check(column))?;
        let mut columns: Vec<(String, Kind)> =
            prepared.schema.columns().map(|(name, kind)| (name.to_owned(), kind.clone())).collect();
        if with_target {
            columns.push((prepared.target.clone(), target_kind(prepared)));
        }
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let name = source.name.clone();
        let table = source.known(&Schema::new(columns)?, &others, &prepared.target, report)?;
        match table.rows() {
            0 => Err(failed(format!("{name}: has no rows"))),
            _ => Ok(table),
        }
    }
}

fn target_kind(prepared: &Prepared) -> Kind {
    match &prepared.goal {
        Goal::Number | Goal::Classes(_, true) => Kind::Number,
        Goal::Classes(names, false) => Kind::Category(names.clone()),
    }
}

/// Says which texts the model has never seen: they count as missing.
pub(crate) fn tell_unknown(unknown: &[(String, String)], report: &mut Report) {
    if !unknown.is_empty() {
        let texts: Vec<String> =
            unknown.iter().map(|(column, text)| format!("`{text}` in `{column}`")).collect();
        report.note(format!(
            "texts that the model does not know count as missing: {}",
            listed(texts.iter().map(String::as_str))
        ));
    }
}
