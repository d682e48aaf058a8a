//! The state of a check: the graph so far, names in scope, the source location of each operation, mistakes.

use super::scope::{AbstractValue, Scopes};
use crate::diagnose::Diagnostics;
use crate::shapes::Shapes;
use crate::signature::Typed;
use crate::syntax::{Declarations, Location};
use downhill_graph::error::{Error, Origin};
use downhill_nn::builder::{Builder, Value};
use downhill_nn::composite::Argument;
use std::collections::HashSet;
use syn::Ident;

/// Interprets one network or layer.
pub(super) struct Checker<'a> {
    pub(super) program: &'a Declarations,
    pub(super) diagnostics: &'a mut Diagnostics,
    /// What the values of networks are, by name.
    pub(super) shapes: &'a mut Shapes,
    pub(super) builder: Builder,
    /// What each number in [`Origin::token`] (from 1) stands for.
    pub(super) tokens: Vec<(Location, Vec<String>)>,
    pub(super) scopes: Scopes<'a>,
    /// The axes that names in sight were declared with.
    pub(super) typed: Typed<'a>,
    /// What the bodies of scans have yielded so far, innermost last.
    pub(super) yields: Vec<Vec<AbstractValue>>,
    /// The layers being called, innermost last.
    pub(super) frames: Vec<Frame>,
    /// Name of the innermost binding.
    pub(super) binding: String,
    /// Symbols whose numbers only a run tells: those that inputs bring.
    pub(super) run_symbols: HashSet<String>,
    /// Names of the layers called so far.
    pub(super) called: HashSet<String>,
    /// What a `scan` gives its body, while it is seen what it starts with.
    pub(super) slices: Vec<String>,
    /// Names that statements of the network bind, at whatever place.
    pub(super) bound: HashSet<String>,
    /// Names that a network's own statements have used.
    pub(super) used: HashSet<String>,
    /// The value of a loss is being checked.
    pub(super) in_loss: bool,
    /// A layer is checked on its own.
    pub(super) lone: bool,
    /// A statement could not be read.
    pub(super) broken: bool,
    /// Parts of parameters' names that depend on which branch of an `if` is taken.
    pub(super) open_names: HashSet<String>,
    /// Something is unknown, so that what seems to be missing may be there.
    pub(super) unsure: bool,
}

/// A call of a layer in progress.
pub(super) struct Frame {
    pub(super) layer: String,
    /// `in layer …, called at … as …`.
    pub(super) note: String,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        program: &'a Declarations,
        diagnostics: &'a mut Diagnostics,
        shapes: &'a mut Shapes,
    ) -> Checker<'a> {
        Checker {
            program,
            diagnostics,
            shapes,
            builder: Builder::for_checking(),
            tokens: Vec::new(),
            scopes: Scopes::default(),
            typed: Typed::new(),
            yields: Vec::new(),
            frames: Vec::new(),
            binding: String::new(),
            run_symbols: HashSet::new(),
            called: HashSet::new(),
            slices: Vec::new(),
            bound: HashSet::new(),
            used: HashSet::new(),
            in_loss: false,
            lone: false,
            broken: false,
            open_names: HashSet::new(),
            unsure: false,
        }
    }

    /// Operations added from now on come from `location`.
    pub(super) fn at(&mut self, location: Location) {
        let notes = self.frames.iter().rev().map(|frame| frame.note.clone()).collect();
        self.tokens.push((location, notes));
        let token = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.builder.at(Origin { token, ..Origin::default() });
    }

    /// Records a mistake that the check itself found.
    pub(super) fn error(&mut self, location: Location, error: Error) {
        self.unsure = true;
        let notes: Vec<String> = self.frames.iter().rev().map(|frame| frame.note.clone()).collect();
        self.add_with(location, notes, error);
    }

    /// As [`Checker::error`]; gives the unknown value.
    pub(super) fn fail(&mut self, location: Location, error: Error) -> AbstractValue {
        self.error(location, error);
        AbstractValue::Unknown
    }

    /// Takes over what the builder found.
    pub(super) fn report(&mut self) {
        for error in self.builder.take_errors() {
            self.add(error);
        }
    }

    pub(super) fn add(&mut self, error: Error) {
        let index = (error.origin.token as usize).wrapping_sub(1);
        let (location, notes) = match self.tokens.get(index) {
            Some((location, notes)) => (*location, notes.clone()),
            None => (Location::at(proc_macro2::Span::call_site()), Vec::new()),
        };
        self.unsure = true;
        self.add_with(location, notes, error);
    }

    fn add_with(&mut self, location: Location, mut notes: Vec<String>, error: Error) {
        notes.extend(error.notes.iter().cloned());
        self.diagnostics.add(location, Error { notes, ..error });
    }

    /// Notes for editors what a name stands for. In a layer that differs from call to call.
    pub(super) fn note_shape(&mut self, name: &Ident, item: &AbstractValue) {
        if let AbstractValue::Known(Argument::Value(value)) = item
            && self.frames.is_empty()
            && !self.lone
            && let Some(ty) = value.ty()
        {
            self.shapes.note(name, &ty);
        }
    }

    /// Gives the value, and notes when it is unknown.
    pub(super) fn result(&mut self, value: Value) -> AbstractValue {
        self.unsure |= value.node().is_none();
        AbstractValue::value(value)
    }
}
