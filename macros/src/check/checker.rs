//! The state of a check: the graph so far, names in sight, where what stands, mistakes.

use super::scope::{Outcome, Scopes};
use crate::diagnose::Diagnostics;
use crate::syntax::{Declarations, Place};
use downhill_graph::error::{Error, Origin};
use downhill_nn::builder::{Builder, Value};
use std::collections::HashSet;

/// Interprets one network or layer.
pub(super) struct Checker<'a> {
    pub(super) program: &'a Declarations,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) builder: Builder,
    /// What each number in [`Origin::token`] (from 1) stands for.
    pub(super) tokens: Vec<(Place, Vec<String>)>,
    pub(super) scopes: Scopes<'a>,
    /// The layers being called, innermost last.
    pub(super) frames: Vec<Frame>,
    /// Name of the innermost binding.
    pub(super) binding: String,
    /// Symbols whose numbers only a run tells: those that inputs bring.
    pub(super) run_symbols: HashSet<String>,
    /// Names of the layers called so far.
    pub(super) called: HashSet<String>,
    /// A layer is checked on its own.
    pub(super) lone: bool,
    /// A statement could not be read.
    pub(super) broken: bool,
    /// Something is unknown, so that what is missing may only be unseen.
    pub(super) unsure: bool,
}

/// A call of a layer in progress.
pub(super) struct Frame {
    pub(super) layer: String,
    /// `in layer …, called at … as …`.
    pub(super) note: String,
}

impl<'a> Checker<'a> {
    pub(super) fn new(program: &'a Declarations, diagnostics: &'a mut Diagnostics) -> Checker<'a> {
        Checker {
            program,
            diagnostics,
            builder: Builder::for_checking(),
            tokens: Vec::new(),
            scopes: Scopes::default(),
            frames: Vec::new(),
            binding: String::new(),
            run_symbols: HashSet::new(),
            called: HashSet::new(),
            lone: false,
            broken: false,
            unsure: false,
        }
    }

    /// Operations from now on stand at `place`.
    pub(super) fn at(&mut self, place: Place) {
        let notes = self.frames.iter().rev().map(|frame| frame.note.clone()).collect();
        self.tokens.push((place, notes));
        let token = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.builder.at(Origin { token, ..Origin::default() });
    }

    /// Records a mistake that the check itself found.
    pub(super) fn error(&mut self, place: Place, error: Error) {
        self.unsure = true;
        let notes: Vec<String> = self.frames.iter().rev().map(|frame| frame.note.clone()).collect();
        self.add_with(place, notes, error);
    }

    /// As [`Checker::error`], for the item that would have been.
    pub(super) fn fail(&mut self, place: Place, error: Error) -> Outcome {
        self.error(place, error);
        Outcome::Unknown
    }

    /// Takes over what the builder found.
    pub(super) fn report(&mut self) {
        for error in self.builder.take_errors() {
            self.add(error);
        }
    }

    pub(super) fn add(&mut self, error: Error) {
        let index = (error.origin.token as usize).wrapping_sub(1);
        let (place, notes) = match self.tokens.get(index) {
            Some((place, notes)) => (*place, notes.clone()),
            None => (Place::at(proc_macro2::Span::call_site()), Vec::new()),
        };
        self.unsure = true;
        self.add_with(place, notes, error);
    }

    fn add_with(&mut self, place: Place, mut notes: Vec<String>, error: Error) {
        notes.extend(error.notes.iter().cloned());
        self.diagnostics.add(place, Error { notes, ..error });
    }

    /// Notes where a value cannot be known.
    pub(super) fn result(&mut self, value: Value) -> Outcome {
        self.unsure |= value.node().is_none();
        Outcome::value(value)
    }
}
