//! Names of parameters.
//!
//! In: scopes entered and left while a network is declared. Out: a readable, stable, unique name for every storage: the
//! binding's name, then `.i` for the i-th layer with parameters in that binding when there are several, then the loop's turn, then
//! the parameter's own name (`h.weight`, `h.0.weight`, `h.3.weight`, `g.1.bias`).
//!
//! Whether a binding has several layers is known only when all is declared, so names are made at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The open scopes and what was declared in them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    open: Vec<Segment>,
    turns: Vec<usize>,
    layers_entered: HashMap<Vec<Segment>, usize>,
    declared: BTreeMap<usize, (Vec<Segment>, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    /// A binding in these turns of the loops opened since the enclosing scope.
    Binding(String, Vec<usize>),
    /// The n-th layer entered in the binding.
    Layer(usize),
}

impl Names {
    pub(crate) fn enter_binding(&mut self, name: &str) {
        let turns = self.turns.clone();
        self.open.push(Segment::Binding(name.into(), turns));
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

    /// Returns what `leave_turn` needs.
    pub(crate) fn enter_turn(&mut self, turn: usize) -> usize {
        self.turns.push(turn);
        self.turns.len() - 1
    }

    pub(crate) fn leave_turn(&mut self, before: usize) {
        self.turns.truncate(before);
    }

    /// The path of the open scopes, without layer numbers.
    pub(crate) fn path(&self) -> Arc<str> {
        let parts: Vec<String> = self.open.iter().filter_map(Segment::visible).collect();
        parts.join(".").into()
    }

    pub(crate) fn declare(&mut self, storage: usize, name: &str) {
        self.declared.insert(storage, (self.open.clone(), name.to_owned()));
    }

    /// The full names, in the order of the storages.
    pub(crate) fn resolve(&self) -> Vec<Arc<str>> {
        let mut used: BTreeMap<&[Segment], BTreeSet<usize>> = BTreeMap::new();
        for (path, _) in self.declared.values() {
            for (depth, segment) in path.iter().enumerate() {
                if let Segment::Layer(number) = segment {
                    used.entry(&path[..depth]).or_default().insert(*number);
                }
            }
        }
        let mut taken: HashMap<String, usize> = HashMap::new();
        self.declared
            .values()
            .map(|(path, name)| {
                let full = full_name(path, name, &used);
                let count = taken.entry(full.clone()).or_default();
                *count += 1;
                // The same binding declared again (two `let h`): a number keeps the second apart.
                if *count == 1 { full.into() } else { format!("{full}#{count}").into() }
            })
            .collect()
    }
}

fn full_name(path: &[Segment], name: &str, used: &BTreeMap<&[Segment], BTreeSet<usize>>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut turns: Vec<String> = Vec::new();
    let mut turns_before = 0;
    for (depth, segment) in path.iter().enumerate() {
        match segment {
            Segment::Binding(binding, all) => {
                parts.append(&mut turns);
                parts.push(binding.clone());
                turns = all[turns_before.min(all.len())..].iter().map(usize::to_string).collect();
                turns_before = all.len();
            }
            Segment::Layer(number) => {
                let several = used.get(&path[..depth]).filter(|numbers| numbers.len() > 1);
                if let Some(position) = several.and_then(|numbers| numbers.iter().position(|n| n == number)) {
                    parts.push(position.to_string());
                }
            }
        }
    }
    parts.append(&mut turns);
    parts.push(name.to_owned());
    parts.join(".")
}

impl Segment {
    fn visible(&self) -> Option<String> {
        match self {
            Segment::Binding(name, turns) => {
                Some([vec![name.clone()], turns.iter().map(usize::to_string).collect()].concat().join("."))
            }
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
        for turn in 1..3 {
            let before = names.enter_turn(turn);
            names.enter_binding("h");
            linear(&mut names, &mut count);
            names.leave();
            names.leave_turn(before);
        }
        names.enter_binding("y");
        linear(&mut names, &mut count);
        linear(&mut names, &mut count);
        names.leave();
        let full: Vec<String> = names.resolve().iter().map(|name| name.to_string()).collect();
        assert_eq!(full, ["h.weight", "h.1.weight", "h.2.weight", "y.0.weight", "y.1.weight"]);
    }
}
