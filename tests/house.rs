//! House rules that the compiler does not know.
//!
//! An op is decided for by its facts or by name. So no `match` that names an op has an arm for all others: whoever adds an op is
//! told by the compiler where something must be said about it, and never taken for something it is not. `graph/src/facts.rs` says what
//! ops are; whoever knows a few forms alone asks for them with `if let`, `let … else` or `matches!`.
//!
//! Lane programs have ops of their own (`codegen/src/lane`, `codegen/src/lower`), which this rule is not about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// The enums that a primitive is made of, all in `graph/src/op.rs`.
const WATCHED: [&str; 5] = ["Op", "Unary", "Binary", "Compare", "Reduction"];

/// Where they may be matched on.
const SOURCES: [&str; 7] =
    ["graph/src", "nn/src", "macros/src", "codegen/src", "runtime/src", "src", "cli/src"];

/// The second language, but for the one file that translates the first into it.
const ANOTHER_LANGUAGE: [&str; 2] = ["codegen/src/lane", "codegen/src/lower"];
const TRANSLATION: &str = "codegen/src/lane/scalar.rs";

#[test]
fn no_arm_decides_for_ops_that_it_does_not_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut offences) = (Vec::new(), Vec::new());
    SOURCES.iter().for_each(|folder| collect(&root.join(folder), &mut files));
    let mut matches = 0;
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        if name != TRANSLATION && ANOTHER_LANGUAGE.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = scan(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        matches += found.watched;
        offences.extend(found.offences.iter().map(|offence| format!("{name}:{offence}")));
    }
    assert!(offences.is_empty(), "arms that decide for ops they do not name:\n{}", offences.join("\n"));
    // The rule is about nothing if no match is seen.
    assert!(matches >= 15, "only {matches} matches name ops");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What a file holds.
#[derive(Default)]
struct Found {
    /// The enums of the graph's language that it knows by name.
    known: BTreeSet<String>,
    /// How many matches name an op.
    watched: usize,
    /// `line: what`.
    offences: Vec<String>,
}

fn scan(text: &str) -> syn::Result<Found> {
    let file = syn::parse_file(text)?;
    let mut imports = Imports::default();
    imports.visit_file(&file);
    let mut found = Found { known: imports.known, ..Found::default() };
    found.visit_file(&file);
    Ok(found)
}

/// The watched enums that a file declares, or imports from a module `op`.
#[derive(Default)]
struct Imports {
    known: BTreeSet<String>,
}

impl Imports {
    fn tree(&mut self, tree: &syn::UseTree, within_op: bool) {
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, path.ident == "op"),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, within_op)),
            syn::UseTree::Name(name) => self.name(name.ident.to_string(), within_op),
            syn::UseTree::Glob(_) => WATCHED.iter().for_each(|name| self.name((*name).into(), within_op)),
            syn::UseTree::Rename(rename) => {
                let renamed = WATCHED.iter().any(|name| rename.ident == name) && within_op;
                assert!(!renamed, "`{}` under another name", rename.ident);
            }
        }
    }

    fn name(&mut self, name: String, within_op: bool) {
        if within_op && WATCHED.contains(&name.as_str()) {
            self.known.insert(name);
        }
    }
}

impl<'a> Visit<'a> for Imports {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&item.tree, false);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.name(item.ident.to_string(), true);
    }
}

impl<'a> Visit<'a> for Found {
    fn visit_expr_match(&mut self, expression: &'a syn::ExprMatch) {
        let mut places = Places { known: &self.known, named: BTreeMap::new(), open: BTreeMap::new() };
        for arm in &expression.arms {
            places.pattern(&arm.pat, "", true);
        }
        let line = expression.match_token.span.start().line;
        self.watched += usize::from(!places.named.is_empty());
        for (place, name) in &places.named {
            // What is open further out is open here too.
            let open = places.open.iter().find(|(open, _)| place.starts_with(open.as_str()));
            if let Some((_, pattern)) = open {
                self.offences.push(format!("{line}: `{name}` beside `{pattern}`"));
                break;
            }
        }
        syn::visit::visit_expr_match(self, expression);
    }
}

/// The places within the patterns of a match: `(0)Op::Unary(0)` is the first field of `Op::Unary` as the first of a pair.
struct Places<'a> {
    known: &'a BTreeSet<String>,
    /// Where a watched enum's variant is named.
    named: BTreeMap<String, String>,
    /// Where anything fits.
    open: BTreeMap<String, String>,
}

impl Places<'_> {
    fn pattern(&mut self, pattern: &syn::Pat, place: &str, decides: bool) {
        match pattern {
            // An arm with a guard decides for nothing: the compiler asks for the others all the same.
            syn::Pat::Guard(guard) => self.pattern(&guard.pat, place, false),
            syn::Pat::Wild(_) => self.open(place, "_", decides),
            syn::Pat::Ident(ident) => match &ident.subpat {
                Some((_, pattern)) => self.pattern(pattern, place, decides),
                None => self.binding(&ident.ident.to_string(), place, decides),
            },
            syn::Pat::Or(or) => or.cases.iter().for_each(|case| self.pattern(case, place, decides)),
            syn::Pat::Paren(paren) => self.pattern(&paren.pat, place, decides),
            syn::Pat::Reference(reference) => self.pattern(&reference.pat, place, decides),
            syn::Pat::Path(path) => _ = self.path(&path.path, place),
            syn::Pat::Tuple(tuple) => self.list(tuple.elems.iter(), place, decides),
            syn::Pat::Slice(slice) => self.list(slice.elems.iter(), place, decides),
            syn::Pat::TupleStruct(tuple) => {
                let within = self.path(&tuple.path, place);
                self.list(tuple.elems.iter(), &within, decides);
            }
            syn::Pat::Struct(fields) => {
                let within = self.path(&fields.path, place);
                for field in &fields.fields {
                    let name = match &field.member {
                        syn::Member::Named(name) => name.to_string(),
                        syn::Member::Unnamed(index) => index.index.to_string(),
                    };
                    self.pattern(&field.pat, &format!("{within}({name})"), decides);
                }
            }
            // Literals, ranges and the like name no op.
            _ => {}
        }
    }

    /// A name that stands for whatever is there. One in capitals is a constant, or an imported variant.
    fn binding(&mut self, name: &str, place: &str, decides: bool) {
        if name.starts_with(|letter: char| letter.is_lowercase() || letter == '_') {
            self.open(place, name, decides);
        }
    }

    fn open(&mut self, place: &str, pattern: &str, decides: bool) {
        if decides {
            self.open.entry(place.into()).or_insert_with(|| pattern.into());
        }
    }

    fn list<'p>(&mut self, patterns: impl Iterator<Item = &'p syn::Pat>, place: &str, decides: bool) {
        for (position, pattern) in patterns.enumerate() {
            self.pattern(pattern, &format!("{place}({position})"), decides);
        }
    }

    /// Notes a path; gives the place of what stands within.
    fn path(&mut self, path: &syn::Path, place: &str) -> String {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let text = names.join("::");
        if let [before @ .., family, _] = &names[..]
            && WATCHED.contains(&family.as_str())
            && (before.iter().any(|name| name == "op") || before.is_empty() && self.known.contains(family))
        {
            self.named.entry(place.into()).or_insert_with(|| text.clone());
        }
        format!("{place}{text}")
    }
}

/// The offences of a match in a file that knows the graph's language.
fn offences(body: &str) -> Vec<String> {
    let text = format!("use downhill_graph::op::{{Binary, Op, Unary}};\nfn f() {{ {body} }}");
    scan(&text).unwrap_or_else(|error| panic!("{error}")).offences
}

#[test]
fn an_arm_for_all_other_ops_is_seen() {
    for body in [
        "match op { Op::Select => 1, _ => 2 }",
        "match op { Op::Select => 1, other => g(other) }",
        "match op { Op::Unary(Unary::Neg) => 1, Op::Unary(_) => 2, Op::Select => 3 }",
        "match op { &Op::Unary(Unary::Neg | Unary::Abs) => 1, &Op::Unary(f) => g(f) }",
        "match found { Some(Op::Select) => 1, _ => 2 }",
        "match (op, other) { (Op::Select, Op::Select) => 1, (_, Op::Select) => 2 }",
        "match op { view @ Op::Reshape(_) => 1, _ if g() => 2, op => 3 }",
        "match op { downhill_graph::op::Reduction::Sum => 1, _ => 2 }",
        "if let Some(x) = y { match op { Op::Select => 1, _ => 2 } }",
    ] {
        assert_eq!(offences(body).len(), 1, "{body}: {:?}", offences(body));
    }
}

#[test]
fn what_names_all_ops_or_none_is_let_pass() {
    for body in [
        "match op { Op::Select => 1, Op::Unary(f) => g(f), Op::Binary(_) => 2 }",
        "match op { Op::Unary(Unary::Neg) => 1, Op::Unary(Unary::Abs) => 2, Op::Binary(_) => 3 }",
        "match (op, n) { (Op::Select, 1) => 1, (Op::Select, _) => 2 }",
        "match op { op if g(op) => 1, Op::Select => 2 }",
        "match n { 1 => Op::Select, _ => Op::Surrogate }",
        "match shape { Some(x) => x, _ => y }",
        "match lane { Lane::Op(f) => 1, _ => 2 }",
        "let Op::Select = op else { return 1 };",
        "if matches!(op, Op::Select) { 1 }",
    ] {
        assert_eq!(offences(body), [] as [String; 0], "{body}");
    }
    // The lane language has ops of the same names.
    let lane = "use crate::lane::{Binary, Unary}; fn f() { match op { Unary::NegF => 1, _ => 2 } }";
    assert!(scan(lane).is_ok_and(|found| found.offences.is_empty() && found.watched == 0));
}
