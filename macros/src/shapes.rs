//! What values turned out to be while a declaration was checked, by the names that declare them: what editors show of a name.
//!
//! In: names of the tree and types. Out: text. A name is known by its place in the tree: some hosts of macros know no lines and columns.

use downhill_graph::types::Type;
use std::collections::HashMap;
use syn::Ident;

/// What is known of the names of a declaration.
#[derive(Default)]
pub(crate) struct Shapes {
    /// Types in words, by name.
    types: HashMap<*const Ident, String>,
    /// Inputs and targets that nothing uses.
    pub(crate) unused: Vec<Ident>,
}

impl Shapes {
    /// Notes what the value called `name` is; in a loop it may be another thing in each iteration.
    pub(crate) fn note(&mut self, name: &Ident, ty: &Type) {
        let found = self.types.entry(std::ptr::from_ref(name)).or_insert_with(|| ty.to_string());
        if *found != ty.to_string() {
            *found = "another shape in each iteration".into();
        }
    }

    /// What the value called `name` is, where that is known.
    pub(crate) fn of(&self, name: &Ident) -> Option<&str> {
        self.types.get(&std::ptr::from_ref(name)).map(String::as_str)
    }
}
