//! A model measured on rows whose target is known.

use crate::drawn;
use crate::failure::Failure;
use crate::known::tell_unknown;
use crate::report::{Report, counted};
use crate::saved::Saved;
use crate::scores;
use downhill::data::table::Table;
use downhill::prelude::*;
use serde_json::json;
use std::path::Path;

/// Tells scores beside the baseline, and draws pictures into a folder where one is given. `what` are the rows; each has a target.
pub(crate) fn judged(
    saved: &Saved,
    net: &Model,
    (what, table): (&str, &Table),
    pictures: Option<&Path>,
    report: &mut Report,
) -> Result<(), Failure> {
    let prepared = &saved.prepared;
    let (x, unknown) = prepared.inputs(table)?;
    tell_unknown(&unknown, report);
    let (said, targets) = (prepared.said(net, &x)?, prepared.targets(table)?);

    let scores = scores::scores(&said, &targets, &prepared.goal, &saved.baseline)?;
    report.document("judged_rows", json!(table.rows()));
    let title = format!("{what}, {}:", counted(table.rows(), "row"));
    report.tell("scores", scores::to_json(&scores), format!("{title}\n{}", scores::table(&scores)))?;
    if let Some((text, json)) = scores::by_class(&said, &targets, &prepared.goal)? {
        report.tell("classes", json, format!("\n{text}"))?;
    }
    match pictures {
        Some(folder) => drawn::predictions(folder, &said, &targets, &prepared.goal),
        None => Ok(()),
    }
}
