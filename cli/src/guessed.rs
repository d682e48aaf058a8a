//! What the columns of a file were taken for: lines of the report, and its part of the document.

use crate::columns::Goal;
use crate::prepared::Prepared;
use crate::report::{counted, listed};
use downhill::data::schema::Kind;
use downhill::data::table::Table;
use serde_json::{Value as Json, json};

/// A file as it was understood.
pub(crate) struct Guessed<'a> {
    /// What messages call the file.
    pub(crate) data: &'a str,
    /// All its rows.
    pub(crate) rows: usize,
    /// Those that are trained on.
    pub(crate) training: &'a Table,
    pub(crate) prepared: &'a Prepared,
    /// Why the target is what it is, where that was guessed.
    pub(crate) why: Option<String>,
    /// Columns that nothing is predicted from, and why.
    pub(crate) left_out: &'a [(String, String)],
}

impl Guessed<'_> {
    fn task(&self) -> &'static str {
        match self.prepared.goal {
            Goal::Classes(..) => "classification",
            Goal::Number => "regression",
        }
    }

    /// The columns of numbers that are predicted from, or those of texts.
    fn names(&self, numbers: bool) -> Vec<&str> {
        let columns = self.prepared.schema.columns();
        columns.filter(|(_, kind)| (**kind == Kind::Number) == numbers).map(|(name, _)| name).collect()
    }

    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("{}: {}", self.data, counted(self.rows, "row"))];
        let mut line = |what: &str, told: String| lines.push(format!("  {what:<10}  {told}"));
        let why = self.why.as_ref().map_or(String::new(), |why| format!(", since {why}"));
        line("task", format!("{}{why}", self.task()));
        let target = match &self.prepared.goal {
            Goal::Classes(names, _) => {
                format!("{}: {}", counted(names.len(), "class"), listed(names.iter().map(String::as_str)))
            }
            Goal::Number => "a number".to_owned(),
        };
        line("target", format!("{}, {target}", self.prepared.target));

        for (kind, numbers) in [("numbers", true), ("categories", false)] {
            let names = self.names(numbers);
            if !names.is_empty() {
                line(kind, listed(names));
            }
        }
        let missing = self.training.missing();
        let missing: Vec<String> = missing.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        if !missing.is_empty() {
            line("missing", listed(missing.iter().map(String::as_str)));
        }

        // Of many columns that are left out for one reason, one line.
        let mut reasons: Vec<&str> = self.left_out.iter().map(|(_, why)| &**why).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for why in reasons {
            let of_reason = self.left_out.iter().filter(|(_, it)| it == why).map(|(name, _)| &**name);
            line("left out", format!("{}: {why}", listed(of_reason)));
        }
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> Json {
        let classes = match &self.prepared.goal {
            Goal::Classes(names, _) => json!(names),
            Goal::Number => Json::Null,
        };
        let left_out = self.left_out.iter().map(|(name, why)| json!({ "column": name, "why": why }));
        json!({
            "data": self.data,
            "rows": self.rows,
            "task": self.task(),
            "why": self.why,
            "target": self.prepared.target,
            "classes": classes,
            "numbers": self.names(true),
            "categories": self.names(false),
            "left_out": left_out.collect::<Vec<Json>>(),
        })
    }
}
