//! The list of built-ins in the documentation of `network!`, and the names that editors are pointed to, are the table that calls them.
//! `DOWNHILL_BLESS=1` writes both anew.

use downhill_nn::composite::{self, Head};
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

/// A line for a call, with what each of its arguments takes.
fn item(text: &mut String, margin: &str, head: Head<'_>, about: &str) {
    let about = format!("`{}`: {}.", head.signature(), about.replace('[', "\\[").replace(']', "\\]"));
    let _ = write!(text, "{margin}item!({}, {about:?}", head.name);
    for parameter in head.parameters {
        let _ = write!(text, ", {}: {:?}", parameter.name, parameter.kind.words());
    }
    text.push_str(");\n");
}

fn names() -> String {
    let mut text = "//! A documented name for each built-in, each initialiser and their arguments: what `network!` points editors to.\n\
        //!\n//! Written by `DOWNHILL_BLESS=1 cargo test -p downhill-nn --test built_ins`.\n\
        #![allow(non_upper_case_globals, reason = \"arguments are called so\")]\n\n\
        macro_rules! item {\n    \
            ($name:ident, $about:literal $(, $argument:ident: $takes:literal)*) => {\n        \
                #[doc = $about]\n        \
                pub mod $name {\n            \
                    $(#[doc = concat!(\"`\", stringify!($argument), \"` of `\", stringify!($name), \"`: \", $takes, \".\")]\n            \
                    pub const $argument: () = ();)*\n        \
                }\n    \
            };\n\
        }\n\n"
        .to_owned();
    for composite in composite::groups().flat_map(|(_, composites)| composites) {
        item(&mut text, "", composite.head(), composite.about);
    }
    text.push_str("\n/// How parameters start.\npub mod initializers {\n");
    for initializer in composite::initializers() {
        item(&mut text, "    ", initializer.head(), initializer.about);
    }
    text.push_str("}\n");
    text
}

fn is_written(path: &str, text: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::write(&path, text).expect("the list can be written");
    }
    let written = std::fs::read_to_string(&path).expect("the list");
    assert!(written == text, "the table has changed: DOWNHILL_BLESS=1 writes {path} anew");
}

#[test]
fn the_manual_lists_what_can_be_called() {
    is_written("../macros/src/built_ins.md", &manual());
}

#[test]
fn editors_are_pointed_to_what_can_be_called() {
    is_written("src/manual.rs", &names());
}
