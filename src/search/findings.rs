//! What a search found: all trials with their errors.

use super::trial::{Setting, Trial};
use crate::data::csv::field;
use std::collections::BTreeMap;
use std::fmt;

/// A trial that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its settings.
    pub trial: Trial,
    /// Its error on validation data; infinite of one that failed.
    pub error: f64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The budget that it reached or failed at, by [`Search::halving`](super::Search::halving).
    pub budget: Option<u64>,
}

/// All trials of a search, the best first. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// The lowest error first; of equals, the first made.
    pub trials: Vec<Finding>,
}

impl Findings {
    pub(super) fn sort(&mut self) {
        self.trials.sort_by(|a, b| a.error.total_cmp(&b.error).then(a.trial.number.cmp(&b.trial.number)));
    }

    /// The one with the lowest error.
    pub fn best(&self) -> Option<&Finding> {
        self.trials.first().filter(|finding| finding.failure.is_none())
    }

    /// A line a trial behind a line of names, in the order in which they were made: what [`Search::resume`](super::Search::resume) takes.
    pub fn to_csv(&self) -> String {
        let mut made: Vec<&Finding> = self.trials.iter().collect();
        made.sort_by_key(|finding| finding.trial.number);
        let has_budgets = made.iter().any(|finding| finding.budget.is_some());
        let mut text = String::from("trial,error,failure");
        text += if has_budgets { ",budget" } else { "" };
        for (axis, _) in made.first().map_or(&[][..], |finding| &finding.trial.settings) {
            text += &format!(",{}", field(axis));
        }
        for Finding { trial, error, failure, budget } in made {
            let failure = field(failure.as_deref().unwrap_or_default());
            text += &format!("\n{},{error:?},{failure}", trial.number);
            if has_budgets {
                text += &format!(",{}", budget.map_or_else(String::new, |budget| budget.to_string()));
            }
            for (_, setting) in &trial.settings {
                text += &format!(",{}", field(&setting.to_string()));
            }
        }
        text + "\n"
    }

    /// The lowest error for each pair of settings of two axes: names of rows and columns, and the errors row by row, NaN where there is no
    /// trial. `pictures::heat_map` draws it.
    pub fn by(&self, rows: &str, columns: &str) -> (Vec<String>, Vec<String>, Vec<f64>) {
        let mut cells: BTreeMap<(Order, Order), f64> = BTreeMap::new();
        for finding in &self.trials {
            let setting = |axis: &str| finding.trial.setting(axis).ok().cloned().map(Order);
            if let (Some(row), Some(column)) = (setting(rows), setting(columns)) {
                let cell = cells.entry((row, column)).or_insert(f64::INFINITY);
                *cell = cell.min(finding.error);
            }
        }
        let unique = |pick: fn(&(Order, Order)) -> &Order| {
            let mut all: Vec<Order> = cells.keys().map(|key| pick(key).clone()).collect();
            all.sort();
            all.dedup();
            all
        };
        let (row_names, column_names) = (unique(|key| &key.0), unique(|key| &key.1));
        let pairs = row_names.iter().flat_map(|row| column_names.iter().map(move |column| (row, column)));
        let errors =
            pairs.map(|(row, column)| cells.get(&(row.clone(), column.clone())).copied().unwrap_or(f64::NAN));
        let errors = errors.collect();
        let told = |names: Vec<Order>| names.into_iter().map(|Order(setting)| short(&setting)).collect();
        (told(row_names), told(column_names), errors)
    }
}

/// Settings in order: numbers by size, and words that are numbers too; other words behind them, by letters.
#[derive(Clone, PartialEq)]
struct Order(Setting);

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Order) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Order) -> std::cmp::Ordering {
        let number = |setting: &Setting| match setting {
            Setting::Whole(number) => *number as f64,
            Setting::Number(number) => *number,
            Setting::Choice(word) => word.parse().unwrap_or(f64::INFINITY),
        };
        let by_number = number(&self.0).total_cmp(&number(&other.0));
        by_number.then_with(|| self.0.to_string().cmp(&other.0.to_string()))
    }
}

/// A setting as tables show it: three digits of a number.
fn short(setting: &Setting) -> String {
    match setting {
        Setting::Number(number) if *number != 0.0 && !(0.01..1000.0).contains(&number.abs()) => {
            format!("{number:.2e}")
        }
        Setting::Number(number) => format!("{number:.3}"),
        other => other.to_string(),
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.trials.first() else { return f.write_str("no trials") };
        write!(f, "{:>5}  {:>10}", "trial", "error")?;
        let width = |axis: &str| axis.chars().count().max(9);
        for (axis, _) in &first.trial.settings {
            write!(f, "  {axis:>0$}", width(axis))?;
        }
        for Finding { trial, error, failure, .. } in &self.trials {
            write!(f, "\n{:>5}  {error:>10.5}", trial.number)?;
            for (axis, setting) in &trial.settings {
                write!(f, "  {:>1$}", short(setting), width(axis))?;
            }
            if let Some(failure) = failure {
                write!(f, "  failed: {}", failure.lines().next().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}
