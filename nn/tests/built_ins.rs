//! The list of built-ins in the documentation of `network!` is the table that calls them. `DOWNHILL_BLESS=1` writes it anew.

use downhill_nn::composite::{self, find};
use std::fmt::Write as _;

/// The groups of a manual, each with its first composite; a group ends where the next one begins.
const GROUPS: [(&str, &str); 7] = [
    ("Layers", "linear"),
    ("Activations", "relu"),
    ("Losses", "squared_error"),
    ("Operators", "add"),
    ("Functions of each element", "exp"),
    ("Reductions", "sum"),
    ("Shapes", "reshape"),
];

fn row(text: &mut String, signature: &str, about: &str) {
    // A bar would end the cell.
    let _ = writeln!(text, "| `{signature}` | {} |", about.replace('|', "\\|"));
}

fn head(text: &mut String, title: &str) {
    let _ = write!(text, "\n## {title}\n\n| call | what it gives |\n|---|---|\n");
}

fn manual() -> String {
    let mut text = "# Built-ins\n\n\
        After a colon stands what an argument is when it is not given. Every loss is one number; `p` is what the \
        network says, `y` the truth.\n"
        .to_owned();
    for name in composite::names() {
        if let Some((title, _)) = GROUPS.iter().find(|(_, first)| *first == name) {
            head(&mut text, title);
        }
        row(&mut text, &composite::signature(name), find(name).map_or("", |composite| composite.about));
    }
    head(&mut text, "Initialisers");
    for name in composite::initializer_names() {
        row(&mut text, &composite::initializer_signature(name), composite::initializer_about(name));
    }
    text
}

#[test]
fn the_manual_lists_what_can_be_called() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../macros/src/built_ins.md");
    let text = manual();
    for (title, _) in GROUPS {
        assert!(text.contains(&format!("## {title}\n")), "no composite begins the group {title}");
    }
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::write(path, &text).expect("the manual can be written");
    }
    let written = std::fs::read_to_string(path).expect("the manual");
    assert!(written == text, "the table has changed: DOWNHILL_BLESS=1 writes {path} anew");
}
