//! What a page's tables say of downhill stands in the programs of the page, which are compiled and run as tests of the documentation.

use std::path::Path;

/// The tables whose right-hand sides are parts of networks, by the line before them or the heading.
const SECTIONS: [&str; 3] = ["## Layers", "## Tensors", "## Losses"];

#[test]
fn what_tables_say_is_compiled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-pytorch.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    for section in SECTIONS {
        let start = page.find(section).unwrap_or_else(|| panic!("no section {section}"));
        let text = &page[start..];
        let text = &text[..text[2..].find("\n## ").map_or(text.len(), |end| end + 2)];
        let cells = cells(text);
        assert!(cells.len() > 5, "{section} has {} cells", cells.len());
        let programs = programs(text);
        let missing: Vec<&String> = cells.iter().filter(|cell| !programs.contains(cell.as_str())).collect();
        assert!(missing.is_empty(), "{section}: no program holds {missing:?}");
    }
}

/// The code in the last column of each row.
fn cells(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let last = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | ").map(|(_, last)| last));
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// All programs of a text.
fn programs(text: &str) -> String {
    text.split("```rust").skip(1).filter_map(|part| part.split("```").next()).collect()
}
