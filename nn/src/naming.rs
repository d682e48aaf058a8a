//! Names of parameters.
//!
//! In: scopes entered and left while a network is declared. Out: a readable, stable, unique name for every storage: the
//! binding's name, then `.i` for the i-th layer with parameters in that binding when there are several, then the loop's iteration, then
//! the parameter's own name (`h.weight`, `h.0.weight`, `h.3.weight`, `g.1.bias`).
//!
//! Whether a binding has several layers is known only when all is declared, so names are made at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The open scopes and what was declared in them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    open: Vec<Segment>,
    iterations: Vec<usize>,
    layers_entered: HashMap<Vec<Segment>, usize>,
    declared: BTreeMap<usize, Declared>,
    /// For each scope, the layers in it that have storages.
    used: LayersUsed,
}

/// Where a storage was declared, and as what.
#[derive(Debug)]
struct Declared {
    path: Vec<Segment>,
    iterations: Vec<usize>,
    name: String,
}

/// A scope to come back to: the open scopes and iterations.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    open: Vec<Segment>,
    iterations: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    /// A binding in these iterations of the loops opened since the enclosing scope.
    Binding(String, Vec<usize>),
    /// The n-th layer entered in the binding.
    Layer(usize),
}

impl Names {
    pub(crate) fn enter_binding(&mut self, name: &str) {
        let iterations = self.iterations.clone();
        self.open.push(Segment::Binding(name.into(), iterations));
    }

    pub(crate) fn enter_layer(&mut self) {
        let entered = self.layers_entered.entry(self.open.clone()).or_default();
        let number = *entered;
        *entered += 1;
        self.open.push(Segment::Layer(number));
    }

    pub(crate) fn leave(&mut self) {
        self.open.pop();
    }

    /// The scope that a binding called `name` would open here.
    pub(crate) fn site(&self, name: &str) -> Site {
        let mut open = self.open.clone();
        open.push(Segment::Binding(name.into(), self.iterations.clone()));
        Site { open, iterations: self.iterations.clone() }
    }

    /// Goes to `site`; returns the scope to come back to by another `go`.
    pub(crate) fn go(&mut self, site: Site) -> Site {
        Site {
            open: std::mem::replace(&mut self.open, site.open),
            iterations: std::mem::replace(&mut self.iterations, site.iterations),
        }
    }

    /// Returns what `leave_iteration` needs.
    pub(crate) fn enter_iteration(&mut self, iteration: usize) -> usize {
        self.iterations.push(iteration);
        self.iterations.len() - 1
    }

    pub(crate) fn leave_iteration(&mut self, before: usize) {
        self.iterations.truncate(before);
    }

    /// The path of the open scopes, without layer numbers.
    pub(crate) fn path(&self) -> Arc<str> {
        let parts: Vec<String> = self.open.iter().filter_map(Segment::visible).collect();
        parts.join(".").into()
    }

    pub(crate) fn declare(&mut self, storage: usize, name: &str) {
        for (depth, segment) in self.open.iter().enumerate() {
            if let Segment::Layer(number) = segment {
                self.used.entry(self.open[..depth].to_vec()).or_default().insert(*number);
            }
        }
        let declared =
            Declared { path: self.open.clone(), iterations: self.iterations.clone(), name: name.to_owned() };
        self.declared.insert(storage, declared);
    }

    /// The storage that `name` (`h.weight`) means here: relative to this scope and iteration, else to those around it. Numbers of layers
    /// are those known so far.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        (0..=self.open.len()).rev().find_map(|depth| {
            let inside =
                self.declared.iter().filter(|(_, declared)| declared.path.starts_with(&self.open[..depth]));
            let named = |iterations: &[usize]| {
                let is_meant = |declared: &Declared| {
                    relative_name(declared, depth, iterations, &self.used).as_deref() == Some(name)
                };
                inside.clone().rfind(|(_, declared)| is_meant(declared)).map(|(index, _)| *index)
            };
            named(&self.iterations).or_else(|| named(&[]))
        })
    }

    /// The full names, in the order of the storages.
    pub(crate) fn resolve(&self) -> Vec<Arc<str>> {
        let mut taken: HashMap<String, usize> = HashMap::new();
        self.declared
            .values()
            .map(|declared| {
                let full = relative_name(declared, 0, &[], &self.used).unwrap_or_default();
                let count = taken.entry(full.clone()).or_default();
                *count += 1;
                // The same binding declared again (two `let h`): a number keeps the second apart.
                if *count == 1 { full.into() } else { format!("{full}#{count}").into() }
            })
            .collect()
    }
}

type LayersUsed = BTreeMap<Vec<Segment>, BTreeSet<usize>>;

/// The name of a storage as seen from the scope at `depth` of its path, in these iterations; `None` when it was not declared in them.
fn relative_name(
    declared: &Declared,
    depth: usize,
    seen_from: &[usize],
    used: &LayersUsed,
) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();

    // The loops' iterations since the last binding, which are written before the next part.
    let mut iterations: Vec<usize> = Vec::new();
    let mut known = seen_from;
    for (position, segment) in declared.path.iter().enumerate().skip(depth) {
        match segment {
            Segment::Binding(binding, all) => {
                parts.extend(iterations.iter().map(usize::to_string));
                parts.push(binding.clone());
                iterations = all.strip_prefix(known)?.to_vec();
                known = all;
            }
            Segment::Layer(number) => {
                let several = used.get(&declared.path[..position]).filter(|numbers| numbers.len() > 1);
                if let Some(number) = several.and_then(|numbers| numbers.iter().position(|n| n == number)) {
                    parts.push(number.to_string());
                }
            }
        }
    }

    parts.extend(iterations.iter().map(usize::to_string));
    parts.push(declared.name.clone());

    // A parameter straight in a loop: the iteration tells its copies apart.
    parts.extend(declared.iterations.strip_prefix(known)?.iter().map(usize::to_string));
    Some(parts.join("."))
}

impl Segment {
    fn visible(&self) -> Option<String> {
        match self {
            Segment::Binding(name, iterations) => Some(
                [vec![name.clone()], iterations.iter().map(usize::to_string).collect()].concat().join("."),
            ),
            Segment::Layer(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Declares a weight in a layer of binding `binding`.
    fn linear(names: &mut Names, count: &mut usize) {
        names.enter_layer();
        names.declare(*count, "weight");
        *count += 1;
        names.leave();
    }

    #[test]
    fn numbers_appear_only_where_needed() {
        let (mut names, mut count) = (Names::default(), 0);
        names.enter_binding("h");
        linear(&mut names, &mut count);
        names.enter_layer(); // a layer without parameters is not counted
        names.leave();
        names.leave();

        for iteration in 1..3 {
            let before = names.enter_iteration(iteration);
            names.enter_binding("h");
            linear(&mut names, &mut count);
            names.leave();
            names.leave_iteration(before);
        }

        names.enter_binding("y");
        linear(&mut names, &mut count);
        linear(&mut names, &mut count);
        names.leave();
        let full: Vec<String> = names.resolve().iter().map(|name| name.to_string()).collect();
        assert_eq!(full, ["h.weight", "h.1.weight", "h.2.weight", "y.0.weight", "y.1.weight"]);
    }

    #[test]
    fn names_are_found_from_the_scope_and_turn_they_are_used_in() {
        let (mut names, mut count) = (Names::default(), 0);
        names.enter_binding("h");
        linear(&mut names, &mut count);
        names.leave();
        let before = names.enter_iteration(1);
        names.enter_binding("h");
        linear(&mut names, &mut count);
        names.leave();
        assert_eq!(names.find("h.weight"), Some(1), "the iteration's own");
        names.leave_iteration(before);
        assert_eq!(names.find("h.weight"), Some(0));
        assert_eq!(names.find("h.1.weight"), Some(1));
        names.enter_binding("loss");
        assert_eq!(names.find("h.1.weight"), Some(1), "from an inner scope");
        assert_eq!(names.find("h.2.weight"), None);
    }
}
