//! Modules stand in reading order: each uses only what stands above it, so no files use each other in a circle.
//!
//! In: the sources of all crates. An arrow goes from a file to the module that a path `crate::…`, `super::…` or `self::…` in it leads
//! to; what a door (a file of `mod` lines and re-exports) passes on counts as an arrow to the door. Paths in comments and in
//! `mod tests` do not count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The only pair that needs both ways, with its reason.
const ALLOWED: [(&str, &str); 1] = [
    // The body of a loop op is a graph.
    ("graph: op", "graph"),
];

const CRATES: [&str; 7] = ["graph", "nn", "macros", "codegen", "runtime", ".", "cli"];

type Name = Vec<String>;

/// The modules of a crate in the order of their declaration.
#[derive(Default)]
struct Modules {
    order: Vec<Name>,
    sources: BTreeMap<Name, String>,
}

impl Modules {
    fn of(root: &Path) -> Modules {
        let mut modules = Modules::default();
        let file = ["lib.rs", "main.rs"].map(|name| root.join(name)).into_iter().find(|file| file.exists());
        modules.read(&file.expect("a crate has a root"), root, Vec::new());
        modules
    }

    fn read(&mut self, file: &Path, folder: &Path, name: Name) {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let source = without_comments(&text);
        self.order.push(name.clone());
        self.sources.insert(name.clone(), source.clone());
        let mut before = "";
        for line in source.lines() {
            // What only tests are made of may use anything.
            let is_test = before == "#[cfg(test)]";
            before = line.trim();
            let Some(child) = declared_module(line).filter(|_| !is_test) else { continue };
            let inner = folder.join(child);
            let files: [PathBuf; 2] = [inner.with_extension("rs"), inner.join("mod.rs")];
            let Some(file) = files.iter().find(|file| file.exists()) else { continue };
            self.read(file, &inner, [name.as_slice(), &[child.to_owned()]].concat());
        }
    }

    fn place(&self, name: &[String]) -> usize {
        self.order.iter().position(|known| known == name).expect("a known module")
    }

    /// The module that a path leads to.
    fn module_of(&self, mut path: Name) -> Name {
        while !self.sources.contains_key(&path) {
            path.pop();
        }
        path
    }

    /// Arrows from each module, each once.
    fn arrows(&self) -> Vec<(Name, Name)> {
        let mut arrows = Vec::new();
        for from in &self.order {
            let mut found: Vec<Name> =
                paths(&self.sources[from], from).map(|path| self.module_of(path)).collect();
            found.retain(|to| to != from);
            found.sort();
            found.dedup();
            arrows.extend(found.into_iter().map(|to| (from.clone(), to)));
        }
        arrows
    }

    /// Arrows to what is declared later, or to a module that the file is a part of. The crate's root declares everything.
    fn arrows_up(&self) -> Vec<(Name, Name)> {
        let mut arrows = self.arrows();
        arrows.retain(|(from, to)| {
            let is_child = to.starts_with(from);
            let is_parent = from.starts_with(to) && !to.is_empty();
            is_parent || (!is_child && self.place(to) > self.place(from))
        });
        arrows
    }
}

/// The name in a line `mod name;`.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim();
    let visible =
        line.strip_prefix("pub").map_or(line, |rest| rest.split_once(") ").map_or(rest, |(_, rest)| rest));
    let rest = visible.trim_start();
    rest.strip_prefix("mod ")?.strip_suffix(';')
}

/// Code without line comments and without its tests.
fn without_comments(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The paths in a module's code that begin within the crate.
fn paths<'a>(source: &'a str, module: &'a [String]) -> impl Iterator<Item = Name> + 'a {
    ["crate::", "super::", "self::"].into_iter().flat_map(move |start| {
        source.match_indices(start).flat_map(move |(at, _)| {
            let before = source[..at].chars().next_back();
            // `$crate::` in a macro is where the macro is used.
            if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                return Vec::new();
            }
            let mut base = match start {
                "crate::" => Vec::new(),
                "super::" => module[..module.len().saturating_sub(1)].to_vec(),
                _ => module.to_vec(),
            };
            let mut rest = &source[at + start.len()..];
            while let Some(further) = rest.strip_prefix("super::") {
                (_, rest) = (base.pop(), further);
            }
            expand(&base, rest).0
        })
    })
}

/// The paths of a tree of imports `a::{b, c::d}` behind `base`, and what follows it.
fn expand<'s>(base: &[String], text: &'s str) -> (Vec<Name>, &'s str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if rest.is_empty() || rest.starts_with('}') {
                return (all, rest.strip_prefix('}').unwrap_or(rest));
            }
            let (mut paths, further) = expand(base, rest);
            all.append(&mut paths);
            // Behind a name stands `,`, `}` or ` as other`.
            rest = &further[further.find([',', '}']).unwrap_or(further.len())..];
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let path = [base, &[text[..end].to_owned()]].concat();
    match text[end..].strip_prefix("::") {
        Some(rest) => expand(&path, rest),
        None => (vec![path], &text[end..]),
    }
}

#[test]
fn no_module_uses_what_stands_below_it() {
    let mut wrong = Vec::new();
    for part in CRATES {
        let modules = Modules::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part).join("src"));
        assert!(!modules.arrows().is_empty() || part == ".", "no arrow was found in {part}");
        for (from, to) in modules.arrows_up() {
            let (from, to) = (format!("{part}: {}", from.join("::")), to.join("::"));
            if !ALLOWED.contains(&(from.as_str(), to.as_str())) {
                wrong.push(format!("{from} uses {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of reading:\n{}", wrong.join("\n"));
}

#[test]
fn arrows_up_are_found() {
    let module = |name: &str| vec![name.to_owned()];
    let mut modules = Modules::default();
    for (name, source) in [
        ("a", "use crate::{b::{self, X}, c};\nfn f() { crate::a::g() }"),
        ("b", "use super::a::Y; // crate::c"),
        ("c", "use crate::b as other;"),
    ] {
        modules.order.push(module(name));
        modules.sources.insert(module(name), without_comments(source));
    }
    modules.order.insert(0, Vec::new());
    modules.sources.insert(Vec::new(), String::new());
    let up = modules.arrows_up();
    assert_eq!(up, [(module("a"), module("b")), (module("a"), module("c"))]);
    assert_eq!(modules.arrows().len(), 4);
}
