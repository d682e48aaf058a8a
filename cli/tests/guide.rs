//! The commands of the guide do what it shows. A line of `…` stands for any lines, `…` within one for any text.
#![cfg(unix)]

mod common;

use common::{Folder, flowers};
use std::path::Path;
use std::process::Command;

/// The blocks of a page: their language and their text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

#[test]
fn the_page_shows_what_happens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(240));
    // The shell finds the built command first.
    let built = Path::new(env!("CARGO_BIN_EXE_downhill")).parent().expect("a folder");
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default());

    let (mut said, mut shown) = (String::new(), 0);
    for (language, text) in blocks(&page) {
        match language {
            "csv" => assert!(flowers(240).starts_with(text), "{text}"),
            "sh" => {
                let mut shell = Command::new("sh");
                let output = shell.args(["-ec", text]).current_dir(folder.path()).env("PATH", &path).output();
                let output = output.expect("a shell");
                assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
                said = String::from_utf8(output.stdout).expect("UTF-8");
            }
            "text" => {
                let (pattern, lines): (Vec<&str>, Vec<&str>) =
                    (text.lines().collect(), said.lines().collect());
                assert!(fits_lines(&pattern, &lines), "shown:\n{text}\nsaid:\n{said}");
                shown += 1;
            }
            other => panic!("a block of {other}"),
        }
    }
    assert_eq!(shown, 5);
}

/// What follows the last line that is shown may be anything.
fn fits_lines(pattern: &[&str], lines: &[&str]) -> bool {
    match pattern {
        [] => true,
        ["…", rest @ ..] => (0..=lines.len()).any(|skipped| fits_lines(rest, &lines[skipped..])),
        [first, rest @ ..] => {
            lines.first().is_some_and(|line| fits(first, line)) && fits_lines(rest, &lines[1..])
        }
    }
}

fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn what_differs_does_not_fit() {
    assert!(fits("a … c", "a b c") && fits("a…", "a") && fits("x", "x"));
    assert!(!fits("a … c", "a b d") && !fits("x", "xy") && !fits("…b…", "aca"));
    assert!(fits_lines(&["a", "…", "c"], &["a", "b", "b", "c", "d"]));
    assert!(!fits_lines(&["a", "c"], &["a", "b", "c"]));
}
