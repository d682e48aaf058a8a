//! Trials that were written down, read back.
//!
//! In: the axes of a search, a table. Out: its trials.

use super::axis::Axis;
use super::findings::Finding;
use super::trial::{Setting, Trial};
use crate::data::csv::Csv;
use crate::data::table::{Table, Values};
use crate::mistake::misuse;
use downhill_runtime::error::Error;

/// The columns of a table beside those of the axes; the last is there where budgets are.
pub(super) const OWN: [&str; 4] = ["trial", "error", "failure", "budget"];

/// The trials of a table that [`Findings::to_csv`](super::Findings::to_csv) made of these axes.
pub(super) fn read(names: &[String], axes: &[Axis], csv: &str) -> Result<Vec<Finding>, Error> {
    let words = names.iter().zip(axes).filter(|(_, axis)| matches!(axis, Axis::Choice(_)));
    let words: Vec<&str> = words.map(|(name, _)| &**name).chain(["failure", "error"]).collect();
    let table = Csv::new("the table of trials").categories(words).parse(csv)?;
    let [trial, error, failure, budget] = OWN;
    let (numbers, errors, failures) = (texts(&table, trial)?, texts(&table, error)?, texts(&table, failure)?);
    let has_budgets = table.schema().names().any(|name| name == budget);
    let budgets = if has_budgets { texts(&table, budget)? } else { vec![None; table.rows()] };
    let settings: Vec<Vec<Option<String>>> =
        names.iter().map(|name| texts(&table, name)).collect::<Result<_, _>>()?;

    let rows = (0..table.rows()).map(|row| {
        let broken = |what: &str| {
            let message = format!("trial {row} of the table has no {what} of this search");
            misuse(message, "give what `to_csv` made of the same search")
        };
        let parsed = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
        let (Some(number), Some(error)) = (parsed(&numbers[row]), parsed(&errors[row])) else {
            return Err(broken("number or error"));
        };
        let mut trial = Trial { number: number as u64, settings: Vec::new() };
        for ((name, axis), column) in names.iter().zip(axes).zip(&settings) {
            let setting = column[row].as_deref().and_then(|text| setting(axis, text));
            let setting = setting.ok_or_else(|| broken(&format!("setting of `{name}`")))?;
            trial.settings.push((name.clone(), setting));
        }
        let failure = failures[row].clone().filter(|failure| !failure.is_empty());
        Ok(Finding { trial, error, failure, budget: parsed(&budgets[row]).map(|budget| budget as u64) })
    });
    rows.collect()
}

/// The fields of a column; numbers as texts that say them in full.
fn texts(table: &Table, name: &str) -> Result<Vec<Option<String>>, Error> {
    Ok(match table.column(name)? {
        Values::Numbers(numbers) => numbers.iter().map(|number| Some(format!("{number:?}"))).collect(),
        Values::Categories(places) => {
            let names = table.schema().categories(name)?;
            places.iter().map(|place| names.get(usize::try_from(*place).ok()?).cloned()).collect()
        }
    })
}

/// A setting of this axis, as a table has it.
fn setting(axis: &Axis, text: &str) -> Option<Setting> {
    let setting = match axis {
        Axis::Whole(..) => {
            let whole = text.parse::<f64>().ok().filter(|number| number.fract() == 0.0)?;
            Setting::Whole(whole as i64)
        }
        Axis::Number(..) | Axis::Log(..) => Setting::Number(text.parse().ok()?),
        Axis::Choice(_) => Setting::Choice(text.to_owned()),
    };
    axis.place(&setting).map(|_| setting)
}
