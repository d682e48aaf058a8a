//! The guide: what a page's tables say of downhill stands in the programs of the page, which are compiled and run as tests of the
//! documentation; pages, links and messages are there.

use std::path::{Path, PathBuf};

/// The tables whose right-hand sides are parts of networks, by their page and heading.
const TABLES: [(&str, &[&str]); 2] = [
    ("from-pytorch.md", &["## Layers", "## Tensors", "## Losses"]),
    ("from-keras.md", &["## Layers", "## Texts and series", "## Losses"]),
];

#[test]
fn what_tables_say_is_compiled() {
    for (page, sections) in TABLES {
        let page = read(&folder().join(page));
        for section in sections {
            let text = section_of(&page, section);
            let cells = cells(text);
            assert!(cells.len() > 4, "{section} has {} cells", cells.len());
            let programs = programs(text);
            let missing: Vec<&String> =
                cells.iter().filter(|cell| !programs.contains(cell.as_str())).collect();
            assert!(missing.is_empty(), "{section}: no program holds {missing:?}");
        }
    }
}

#[test]
fn the_guide_has_every_page_and_its_code_is_compiled() {
    let (summary, library) = (read(&folder().join("SUMMARY.md")), read(&root().join("src/lib.rs")));
    let mut names: Vec<String> = pages().iter().map(|page| name(page)).collect();
    names.retain(|name| name != "SUMMARY.md");
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(summary.contains(&format!("({name})")), "SUMMARY.md lacks {name}");
        assert!(library.contains(&format!("\"../docs/{name}\"")), "the tests of the library lack {name}");
    }
}

#[test]
fn links_lead_to_files() {
    for page in pages().into_iter().chain([root().join("README.md")]) {
        let text = read(&page);
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split([')', '#']).next().unwrap_or_default();
            let target = page.parent().unwrap_or(Path::new("")).join(link);
            assert!(
                link.is_empty() || link.starts_with("http") || target.exists(),
                "{}: {link}",
                name(&page)
            );
        }
    }
}

#[test]
fn messages_of_the_guide_are_those_of_the_compiler() {
    let page = read(&folder().join("errors.md"));
    let files = std::fs::read_dir(root().join("tests/ui")).expect("messages");
    let known: String = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|it| it == "stderr"))
        .map(|path| read(&path))
        .collect();
    let rows =
        section_of(&page, "## While rustc runs").lines().filter(|line| line.starts_with("| ``error: "));
    let messages: Vec<&str> =
        rows.filter_map(|row| row.split("``").nth(1)).map(|message| message.trim()).collect();
    assert!(messages.len() > 4, "{messages:?}");
    messages.iter().for_each(|message| assert!(known.contains(&format!("{message}\n")), "{message}"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn folder() -> PathBuf {
    root().join("docs")
}

fn pages() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).expect("the guide");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

fn name(page: &Path) -> String {
    page.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// From a heading to the next one of its kind.
fn section_of<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(heading).unwrap_or_else(|| panic!("no section {heading}"));
    let text = &page[start..];
    &text[..text[2..].find("\n## ").map_or(text.len(), |end| end + 2)]
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
