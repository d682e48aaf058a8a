//! The list of built-ins in the documentation of `network!` is the table that calls them. `DOWNHILL_BLESS=1` writes it anew.

use downhill_nn::composite;
use std::fmt::Write as _;

fn row(text: &mut String, signature: &str, about: &str) {
    // A bar would end the cell.
    let _ = writeln!(text, "| `{signature}` | {} |", about.replace('|', "\\|"));
}

fn head(text: &mut String, title: &str) {
    let _ = write!(text, "\n## {title}\n\n| call | what it gives |\n|---|---|\n");
}

fn manual() -> String {
    let mut text = "# Built-ins\n\n\
        After a colon stands what an argument is when it is not given. A loss is the mean of its terms, one for \
        each element or each row, unless `reduction` says `sum` or `none`; `weight` is a factor of each term. `p` is what the network \
        says, `y` the truth.\n"
        .to_owned();
    for (title, composites) in composite::groups() {
        head(&mut text, title);
        for composite in composites {
            row(&mut text, &composite.head().signature(), composite.about);
        }
    }
    head(&mut text, "Initialisers");
    for initializer in composite::initializers() {
        row(&mut text, &initializer.head().signature(), initializer.about);
    }
    text
}

#[test]
fn the_manual_lists_what_can_be_called() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../macros/src/built_ins.md");
    let text = manual();
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::write(path, &text).expect("the manual can be written");
    }
    let written = std::fs::read_to_string(path).expect("the manual");
    assert!(written == text, "the table has changed: DOWNHILL_BLESS=1 writes {path} anew");
}
