//! Tables as scikit-learn's estimators are given them: what `benches/estimators/compare.py` runs for downhill's part.
//!
//! In: a folder with `tables.csv`, and for each table of it the inputs and targets as npy files, training rows first. Out: a line for each table
//! and seed: its number, the score on the other rows (accuracy, or R²), and the seconds that building and training took.

use downhill::data::{csv, npy};
use downhill::metrics::{Metric, R2};
use downhill::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;

network! {
    Classifier(inputs: usize, hidden: usize, classes: usize) {
        input  x: [batch, inputs];
        target y: i32[batch];
        let h = relu(linear(x, hidden, init: xavier_uniform()));
        output logits = linear(h, classes, init: xavier_uniform());
        loss cross_entropy(logits, y);
    }

    Regressor(inputs: usize, hidden: usize) {
        input  x: [batch, inputs];
        target y: [batch, 1];
        let h = relu(linear(x, hidden, init: xavier_uniform()));
        output p = linear(h, 1, init: xavier_uniform());
        loss squared_error(p, y);
    }
}

/// A line of `tables.csv`.
struct Table {
    number: usize,
    training: usize,
    /// 0 where the target is a number.
    classes: usize,
    hidden: usize,
    batch: usize,
    epochs: usize,
    seeds: usize,
}

fn main() -> Result<(), downhill::Error> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(folder) = folder.map(PathBuf::from) else {
        println!("`benches/estimators/compare.py` gives this a folder of tables");
        return Ok(());
    };
    for table in tables(&folder)? {
        let (training, test) = table.read(&folder)?;
        for seed in 0..table.seeds as u64 {
            let (score, seconds) = table.train(&training, &test, seed)?;
            println!("{} {score} {seconds}", table.number);
        }
    }
    Ok(())
}

fn tables(folder: &Path) -> Result<Vec<Table>, downhill::Error> {
    let names = ["number", "training", "classes", "hidden", "batch", "epochs", "seeds"];
    let read = csv::Csv::new(folder.join("tables.csv")).numbers(names).read()?;
    let rows = read.inputs(&names)?;
    let table = |row: &[f32]| {
        let [number, training, classes, hidden, batch, epochs, seeds] =
            std::array::from_fn(|column| row[column] as usize);
        Table { number, training, classes, hidden, batch, epochs, seeds }
    };
    Ok(rows.as_f32()?.chunks(names.len()).map(table).collect())
}

impl Table {
    fn read(&self, folder: &Path) -> Result<(Dataset, Dataset), downhill::Error> {
        let column = |name: &str| npy::read(folder.join(format!("{}_{name}.npy", self.number)));
        let (x, mut y) = (column("x")?, column("y")?);
        if self.classes == 0 {
            let rows = y.len();
            y = y.reshape([rows, 1])?;
        }
        let all = Dataset::new([("x", x), ("y", y)])?;
        let rows: Vec<u32> = (0..all.rows() as u32).collect();
        let (training, test) = rows.split_at(self.training);
        Ok((all.select(training)?, all.select(test)?))
    }

    /// The score on the test rows, and the seconds that it took to build and train.
    fn train(&self, training: &Dataset, test: &Dataset, seed: u64) -> Result<(f64, f64), downhill::Error> {
        let inputs = training.column("x")?.shape()[1];
        let begin = Instant::now();
        let mut net = match self.classes {
            0 => Regressor::new(inputs, self.hidden).seed(seed).optimizer(adam(1e-3)).build()?,
            classes => {
                Classifier::new(inputs, self.hidden, classes).seed(seed).optimizer(adam(1e-3)).build()?
            }
        };
        let options = Fit { epochs: self.epochs as u64, batch: self.batch, seed, ..Fit::default() };
        net.fit(training, options)?;
        let seconds = begin.elapsed().as_secs_f64();
        let (predicted, truth) = (net.predict(test)?, test.column("y")?);
        let score = match self.classes {
            0 => R2::new().of(&predicted, truth)?,
            _ => accuracy(&predicted, truth)?,
        };
        Ok((score, seconds))
    }
}
