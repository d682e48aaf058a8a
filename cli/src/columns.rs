//! What the columns of a table are good for.
//!
//! In: a table, the name of its target, the rows that are trained on. Out: what is to be predicted ([`Goal`]), and the columns to predict it
//! from. Judged over the rows that are trained on alone, so that held-out rows decide nothing.

use crate::failure::{Failure, failed};
use crate::report::{counted, grouped, listed};
use clap::ValueEnum;
use downhill::data::schema::{Kind, Schema};
use downhill::data::table::{Table, Values};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// A target, and what its values are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Classes by their names; `true` where the file writes them as numbers.
    Classes(Vec<String>, bool),
    Number,
}

/// Whole numbers with at most so many values, each so often on average, are taken for classes.
const MOST_VALUES: usize = 20;
const ROWS_A_VALUE: usize = 5;

impl Goal {
    /// What a target is, as said or guessed; and why, where it is guessed.
    pub(crate) fn of(
        table: &Table,
        target: &str,
        said: Option<Task>,
    ) -> Result<(Goal, Option<String>), Failure> {
        match (table.column(target)?, said) {
            (Values::Categories(_), Some(Task::Regression)) => Err(failed(format!(
                "column `{target}` holds texts, which are no numbers to be predicted; `--task classification` takes them for classes"
            ))),
            (Values::Categories(_), said) => {
                let names = table.schema().categories(target)?.to_vec();
                let why = said.is_none().then(|| format!("`{target}` holds texts"));
                Goal::classes(names, false, target).map(|goal| (goal, why))
            }
            (Values::Numbers(numbers), _) if numbers.iter().any(|number| number.is_infinite()) => {
                Err(failed(format!("column `{target}` holds infinity, which nothing can be near to")))
            }
            (Values::Numbers(_), Some(Task::Regression)) => Ok((Goal::Number, None)),
            (Values::Numbers(numbers), Some(Task::Classification)) => {
                Goal::classes(values(numbers), true, target).map(|goal| (goal, None))
            }
            (Values::Numbers(numbers), None) => {
                let (names, rows) =
                    (values(numbers), numbers.iter().filter(|number| !number.is_nan()).count());
                let is_whole = numbers.iter().all(|number| number.is_nan() || number.fract() == 0.0);
                let few = names.len() <= MOST_VALUES && names.len() * ROWS_A_VALUE <= rows;
                if is_whole && few {
                    let why = format!("`{target}` has {} values, all whole", names.len());
                    return Goal::classes(names, true, target).map(|goal| (goal, Some(why)));
                }
                let what =
                    if is_whole { counted(names.len(), "whole number") } else { "fractions".to_owned() };
                Ok((Goal::Number, Some(format!("`{target}` holds {what}"))))
            }
        }
    }

    fn classes(names: Vec<String>, are_numbers: bool, target: &str) -> Result<Goal, Failure> {
        match &*names {
            [] => Err(failed(format!("column `{target}` has no value in any row"))),
            [only] => Err(failed(format!(
                "column `{target}` has one class alone, `{only}`: there is nothing to tell apart"
            ))),
            _ => Ok(Goal::Classes(names, are_numbers)),
        }
    }

    /// The class of each row; −1 where the target is missing.
    pub(crate) fn labels(&self, table: &Table, target: &str) -> Result<Vec<i32>, Failure> {
        let Goal::Classes(names, _) = self else { return Ok(Vec::new()) };
        let places: BTreeMap<&str, i32> = names.iter().map(String::as_str).zip(0..).collect();
        let label = |text: Option<String>| match text {
            None => Ok(-1),
            Some(text) => places.get(&*text).copied().ok_or_else(|| {
                let known = listed(names.iter().map(String::as_str));
                failed(format!("`{text}` in column `{target}` is no class of the model, which knows {known}"))
            }),
        };
        texts(table, target)?.into_iter().map(label).collect()
    }
}

/// The rows in which a column has a value.
pub(crate) fn rows_with(table: &Table, column: &str) -> Result<Vec<usize>, Failure> {
    let has = |row: &usize| match table.column(column) {
        Ok(Values::Numbers(numbers)) => !numbers[*row].is_nan(),
        Ok(Values::Categories(classes)) => classes[*row] >= 0,
        Err(_) => false,
    };
    table.column(column)?;
    Ok((0..table.rows()).filter(has).collect())
}

/// The values of a column as texts; a number as short as it can be written.
pub(crate) fn texts(table: &Table, column: &str) -> Result<Vec<Option<String>>, Failure> {
    Ok(match table.column(column)? {
        Values::Numbers(numbers) => {
            numbers.iter().map(|number| (!number.is_nan()).then(|| number.to_string())).collect()
        }
        Values::Categories(classes) => {
            let names = table.schema().categories(column)?;
            classes.iter().map(|&class| names.get(usize::try_from(class).ok()?).cloned()).collect()
        }
    })
}

/// The place of each row's value among all values of a column, in their order: numbers by size, texts by letters, so that dates of one form stand by
/// time.
pub(crate) fn places(table: &Table, column: &str) -> Result<Vec<i32>, Failure> {
    let missing = |row: usize| {
        failed(format!("column `{column}` has no value in row {row} (from 0), which a group or a time needs"))
    };
    let places: Vec<i32> = match table.column(column)? {
        Values::Categories(classes) => classes.clone(),
        Values::Numbers(numbers) => {
            let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.dedup();
            let place = |number: &f64| {
                sorted.binary_search_by(|it| it.total_cmp(number)).map_or(-1, |place| place as i32)
            };
            numbers.iter().map(place).collect()
        }
    };
    places.iter().position(|place| *place < 0).map_or(Ok(places.clone()), |row| Err(missing(row)))
}

/// The values of numbers, each once, by size.
fn values(numbers: &[f64]) -> Vec<String> {
    // −0 is 0.
    let mut values: Vec<f64> =
        numbers.iter().filter(|number| !number.is_nan()).map(|number| number + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values.iter().map(f64::to_string).collect()
}

/// Columns to predict from, and why others were left out.
pub(crate) struct Judged {
    pub(crate) schema: Schema,
    pub(crate) left_out: Vec<(String, String)>,
}

/// A column that a network learns from tells rows apart, and has values that come again.
pub(crate) fn judge(
    training: &Table,
    (target, group): (&str, Option<&str>),
    most_categories: usize,
) -> Result<Judged, Failure> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let is_input = |name: &str| name != target && Some(name) != group;
    for (name, kind) in training.schema().columns().filter(|(name, _)| is_input(name)) {
        let judged = match training.column(name)? {
            Values::Numbers(numbers) => of_numbers(numbers).map(|()| kind.clone()),
            Values::Categories(_) => of_texts(texts(training, name)?, most_categories),
        };
        match judged {
            Ok(kind) => kept.push((name.to_owned(), kind)),
            Err(why) => left_out.push((name.to_owned(), why)),
        }
    }
    if kept.is_empty() {
        let why: Vec<String> = left_out.iter().map(|(name, why)| format!("`{name}` ({why})")).collect();
        let why = if why.is_empty() { "the target is the only one".to_owned() } else { why.join(", ") };
        return Err(failed(format!("there is no column to predict `{target}` from: {why}")));
    }
    Ok(Judged { schema: Schema::new(kept)?, left_out })
}

fn of_numbers(numbers: &[f64]) -> Result<(), String> {
    let mut there = numbers.iter().filter(|number| !number.is_nan());
    if let Some(infinite) = numbers.iter().find(|number| number.is_infinite()) {
        return Err(format!("it holds {infinite}"));
    }
    let Some(first) = there.next() else { return Err("no row has a value".to_owned()) };
    match there.all(|number| number == first) {
        true => Err(format!("every row has {first}")),
        false => Ok(()),
    }
}

/// The categories that come up.
fn of_texts(texts: Vec<Option<String>>, most: usize) -> Result<Kind, String> {
    let (rows, missing) = (texts.len(), texts.iter().filter(|text| text.is_none()).count());
    let different: BTreeSet<String> = texts.into_iter().flatten().collect();
    match different.len() {
        0 => Err("no row has a value".to_owned()),
        1 if missing == 0 => Err(format!("every row has `{}`", different.first().map_or("", String::as_str))),
        count if count > most => Err(format!(
            "{} different texts, more than {} (`--max-categories`)",
            grouped(count),
            grouped(most)
        )),
        count if count == rows && rows > MOST_VALUES => Err("another text in each row".to_owned()),
        _ => Ok(Kind::Category(different.into_iter().collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill::data::csv::Csv;

    fn table(text: &str) -> Table {
        Csv::new("a.csv").parse(text).expect("a table")
    }

    #[test]
    fn targets_are_told_apart() {
        let goal = |values: &[&str], said| {
            let text = format!("y\n{}\n", values.join("\n"));
            Goal::of(&table(&text), "y", said).map(|(goal, _)| goal)
        };
        let ten = [["1", "0"]; 5].concat();
        assert_eq!(goal(&ten, None).expect("a goal"), Goal::Classes(vec!["0".into(), "1".into()], true));
        assert_eq!(goal(&ten, Some(Task::Regression)).expect("a goal"), Goal::Number);
        assert_eq!(goal(&["1", "2", "3"], None).expect("a goal"), Goal::Number);
        assert_eq!(goal(&["0.5", "1"].repeat(9), None).expect("a goal"), Goal::Number);
        assert_eq!(
            goal(&["b", "a"], None).expect("a goal"),
            Goal::Classes(vec!["a".into(), "b".into()], false)
        );
        assert!(goal(&["a", "b"], Some(Task::Regression)).is_err() && goal(&["a", "a"], None).is_err());
    }

    #[test]
    fn columns_that_tell_nothing_are_left_out() {
        let mut text = "same,none,id,one,kind,n,y\n".to_owned();
        for row in 0..30 {
            let one = if row == 3 { "" } else { "x" };
            text += &format!("7,,name{row},{one},k{},{row},{}\n", row % 3, row % 2);
        }
        let judged = judge(&table(&text), ("y", None), 25).expect("columns");
        assert_eq!(judged.schema.names().collect::<Vec<_>>(), ["one", "kind", "n"]);
        let why: Vec<&str> = judged.left_out.iter().map(|(_, why)| &**why).collect();
        assert_eq!(
            why,
            [
                "every row has 7",
                "no row has a value",
                "30 different texts, more than 25 (`--max-categories`)"
            ]
        );
        let ids = judge(&table(&text), ("y", None), 100).expect("columns");
        assert_eq!(ids.left_out[2].1, "another text in each row");
    }
}
