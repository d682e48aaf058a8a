//! `downhill predict`: what a model says of rows.

use crate::columns::{Goal, texts};
use crate::failure::Failure;
use crate::known::{Use, tell_unknown};
use crate::report::{Report, counted};
use downhill::data::csv::field;
use downhill::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Predict the target of each row of a file
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    rows: Use,
    /// Where predictions go, as CSV; `-` is the standard output, as where nothing is said
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The probability of every class, not of the predicted one alone
    #[arg(long)]
    probabilities: bool,
    /// Columns of the file to write before the predictions, such as a name or a number of each row
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    keep: Vec<String>,
}

impl Options {
    pub(crate) fn run(mut self, report: &mut Report) -> Result<(), Failure> {
        self.output = self.output.filter(|path| path.as_os_str() != "-");
        self.output.as_ref().map_or(Ok(()), downhill::file::check)?;
        let (saved, net) = self.rows.load()?;
        let table = self.rows.table(&saved, false, &self.keep, report)?;
        let (x, unknown) = saved.prepared.inputs(&table)?;
        tell_unknown(&unknown, report);
        let said = saved.prepared.said(&net, &x)?;

        let kept = self.keep.iter().map(|column| texts(&table, column)).collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<Column> =
            self.keep.iter().cloned().zip(kept.into_iter().map(Cells::Texts)).collect();
        columns.extend(self.predicted(&saved.prepared.target, &saved.prepared.goal, &said)?);
        let rows = table.rows();
        match (&self.output, report.is_json()) {
            (Some(path), _) => {
                downhill::file::write(path, csv(&columns, rows).as_bytes())?;
                let told = format!("{} to {}", counted(rows, "prediction"), path.display());
                report.tell("written", json!({ "rows": rows, "file": path.display().to_string() }), told)
            }
            (None, true) => {
                report.document("predictions", json(&columns, rows));
                Ok(())
            }
            (None, false) => Ok(io::stdout().lock().write_all(csv(&columns, rows).as_bytes())?),
        }
    }

    /// The target's column, and probabilities.
    fn predicted(&self, target: &str, goal: &Goal, said: &Tensor) -> Result<Vec<Column>, Failure> {
        let numbers = said.as_f32()?;
        let Goal::Classes(names, _) = goal else {
            return Ok(vec![(target.to_owned(), Cells::Numbers(numbers.to_vec()))]);
        };
        let classes = said.argmax()?;
        let classes = classes.as_i32()?;
        let taken = classes.iter().map(|&class| names.get(class as usize).cloned()).collect();
        let of_class = |class: usize| numbers.iter().skip(class).step_by(names.len()).copied().collect();
        let mut columns = vec![(target.to_owned(), Cells::Texts(taken))];
        if self.probabilities {
            let each = names.iter().enumerate();
            columns.extend(each.map(|(class, name)| (format!("p({name})"), Cells::Numbers(of_class(class)))));
        } else {
            let of_taken = numbers.chunks(names.len()).zip(classes).map(|(row, &class)| row[class as usize]);
            columns.push(("probability".to_owned(), Cells::Numbers(of_taken.collect())));
        }
        Ok(columns)
    }
}

type Column = (String, Cells);

/// The cells of a column, row by row.
enum Cells {
    Texts(Vec<Option<String>>),
    Numbers(Vec<f32>),
}

fn csv(columns: &[Column], rows: usize) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| field(name)).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..rows {
        let cells = columns.iter().map(|(_, cells)| match cells {
            Cells::Texts(texts) => field(texts[row].as_deref().unwrap_or_default()).into_owned(),
            Cells::Numbers(numbers) => numbers[row].to_string(),
        });
        text += &cells.collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    text
}

/// An object for each row.
fn json(columns: &[Column], rows: usize) -> Json {
    let of_row = |row: usize| {
        let cell = |cells: &Cells| match cells {
            Cells::Texts(texts) => json!(texts[row]),
            Cells::Numbers(numbers) => json!(numbers[row]),
        };
        columns.iter().map(|(name, cells)| (name.clone(), cell(cells))).collect::<Map<String, Json>>()
    };
    (0..rows).map(of_row).map(Json::Object).collect()
}
