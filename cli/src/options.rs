//! What `fit` and `search` are told: where rows come from and what they are, and how a network is made and trained.

use crate::columns::Task;
use crate::network::{Activation, Layers, Rule, told};
use crate::prepared::{Fill, Scale};
use crate::source::Reading;

/// Rows, and what is done with them before they are trained on.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Data {
    /// A file of separated values, packed by gzip or not; `-` is the standard input
    pub(crate) data: String,
    /// The column to predict
    #[arg(long, value_name = "COLUMN")]
    pub(crate) target: String,
    /// What to predict it as [default: classes of texts and of few whole numbers, else numbers]
    #[arg(long)]
    pub(crate) task: Option<Task>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Columns that are left out
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', help_heading = "Data")]
    pub(crate) skip: Vec<String>,
    /// Columns that hold categories, whatever they look like
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', help_heading = "Data")]
    pub(crate) categories: Vec<String>,
    /// Columns that hold numbers: a text in them is an error
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', help_heading = "Data")]
    pub(crate) numbers: Vec<String>,
    /// Columns of more different texts are left out
    #[arg(long, value_name = "COUNT", default_value_t = 100, help_heading = "Data")]
    pub(crate) max_categories: usize,
    /// What stands for a missing number
    #[arg(long, default_value = "mean", help_heading = "Data")]
    pub(crate) fill: Fill,
    /// How numbers are scaled
    #[arg(long, default_value = "standard", help_heading = "Data")]
    pub(crate) scale: Scale,
    /// All classes count alike in the loss, however many rows each has
    #[arg(long)]
    pub(crate) balance: bool,
    /// The share of rows that epochs are judged by
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = 0.15)]
    pub(crate) validation: f64,
    /// The share of rows that nothing is decided by, for the report
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = 0.15)]
    pub(crate) test: f64,
    /// Rows with the same text or number in this column stay together: all are trained on, or none; the column is no input
    #[arg(long, value_name = "COLUMN", conflicts_with = "time")]
    pub(crate) group: Option<String>,
    /// Train on the rows that come first by this column, and hold out the last ones
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Of all that is random: which rows are held out, first weights, orders of rows
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// A network, and how it is trained.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Units of the hidden layers, as 64,32; `none` for a linear model
    #[arg(long, value_name = "UNITS", default_value = "64,32", help_heading = "Network")]
    pub(crate) layers: Layers,
    /// What bends between layers
    #[arg(long, default_value = "relu", help_heading = "Network")]
    pub(crate) activation: Activation,
    /// The share of units that each step leaves out
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = 0.0, help_heading = "Network")]
    pub(crate) dropout: f64,
    /// Normalise each layer over the batch
    #[arg(long, help_heading = "Network")]
    pub(crate) batch_norm: bool,
    /// How steps change weights
    #[arg(long, default_value = "adam", help_heading = "Training")]
    pub(crate) optimizer: Rule,
    /// The learning rate
    #[arg(long, visible_alias = "learning-rate", value_parser = positive, default_value_t = 1e-3, help_heading = "Training")]
    pub(crate) rate: f64,
    /// What large weights cost
    #[arg(long, value_parser = from_zero, default_value_t = 0.0, help_heading = "Training")]
    pub(crate) weight_decay: f64,
    /// Rows of a step
    #[arg(long, value_name = "ROWS", value_parser = count, default_value_t = 32, help_heading = "Training")]
    pub(crate) batch: usize,
    /// Times that every row is seen, at most
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value_t = 200, help_heading = "Training")]
    pub(crate) epochs: u64,
    /// Ends after so many epochs in a row that were not better than the best
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 20, help_heading = "Training")]
    pub(crate) patience: u64,
    /// Make all epochs; the weights of the best are kept all the same
    #[arg(long, help_heading = "Training")]
    pub(crate) no_early_stopping: bool,
    /// Threads of a step [default: 1, or DOWNHILL_THREADS]
    #[arg(long, value_parser = count, help_heading = "Training")]
    pub(crate) threads: Option<usize>,
}

impl Data {
    /// The arguments that say the same: what differs from what is so unless said.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut words = vec![quoted(&self.data)];
        let mut say = |option: &str, value: String| words.extend([format!("--{option}"), quoted(&value)]);
        say("target", self.target.clone());
        if let Some(task) = self.task {
            say("task", told(task));
        }
        for (option, columns) in
            [("skip", &self.skip), ("categories", &self.categories), ("numbers", &self.numbers)]
        {
            columns.iter().for_each(|column| say(option, column.clone()));
        }
        for (option, column) in [("group", &self.group), ("time", &self.time)] {
            column.iter().for_each(|column| say(option, column.clone()));
        }
        if self.max_categories != 100 {
            say("max-categories", self.max_categories.to_string());
        }
        if self.fill != Fill::Mean {
            say("fill", told(self.fill));
        }
        if self.scale != Scale::Standard {
            say("scale", told(self.scale));
        }
        for (option, share) in [("validation", self.validation), ("test", self.test)] {
            if share != 0.15 {
                say(option, share.to_string());
            }
        }
        if self.seed != 0 {
            say("seed", self.seed.to_string());
        }
        words.extend(self.balance.then(|| "--balance".to_owned()));
        words.extend(self.reading.arguments().iter().map(|word| quoted(word)));
        words
    }
}

impl Settings {
    /// The arguments that say the same, but for threads.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Settings { layers, activation, dropout, optimizer, rate, weight_decay, batch, .. } = self;
        let pairs = [
            ("layers", layers.to_string()),
            ("activation", told(*activation)),
            ("dropout", dropout.to_string()),
            ("optimizer", told(*optimizer)),
            ("rate", rate.to_string()),
            ("weight-decay", weight_decay.to_string()),
            ("batch", batch.to_string()),
            ("epochs", self.epochs.to_string()),
            ("patience", self.patience.to_string()),
        ];
        pairs.into_iter().flat_map(|(option, value)| [format!("--{option}"), value]).collect()
    }
}

/// A word of a command, as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-/+:@%,".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// From 0 to below 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("a share is from 0 to below 1".to_owned()),
    }
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("give a number above 0".to_owned()),
    }
}

pub(crate) fn from_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("give a number from 0 on".to_owned()),
    }
}

/// From 1 on.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (1..=1 << 24).contains(&count) => Ok(count),
        _ => Err("give a whole number from 1 on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Fit {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn arguments_say_the_same_again() {
        let line = "fit a.csv --target y --task regression --skip a --skip b --categories c --group g --max-categories 7 \
                    --fill median --scale min_max --test 0.2 --seed 3 --balance --no-header --separator tab --missing x --missing y \
                    --layers 8,4 --activation leaky_relu --dropout 0.25 --rate 0.1 --batch 5 --epochs 7 --patience 2";
        let parsed = Fit::try_parse_from(line.split_whitespace()).expect("options");
        let words = ["fit".to_owned()].into_iter().chain(parsed.data.arguments());
        let again = Fit::try_parse_from(words.chain(parsed.settings.arguments())).expect("options");
        assert_eq!(format!("{parsed:?}"), format!("{again:?}"));
        assert_eq!((quoted("it's"), quoted("a-b.c")), ("'it'\\''s'".to_owned(), "a-b.c".to_owned()));
    }
}
