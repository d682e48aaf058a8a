//! What the repetition of a stopped step shows.
//!
//! In: the step's data, and the values that a diagnosis wrote. Out: a [`Finding`], the first value that is not finite or not allowed.

use crate::cause::{Cause, Kind, Part, Place, Violation};
use crate::outputs::OutputBuffer;
use crate::program::Diagnosis;
use crate::storage::first_broken;
use crate::worker::Worker;
use downhill_graph::check::Rule;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::Origin;
use downhill_graph::graph::StorageKind;
use downhill_graph::op::Op;
use downhill_graph::types::ElementType;
use downhill_nn::entry::{Watch, Watched};

/// A step that was not carried out, or gradients of a loss that is not finite.
#[derive(Clone, Copy)]
pub(crate) struct Stopped<'a> {
    /// The entry.
    pub(crate) index: usize,
    /// The step of the call, from 0.
    pub(crate) step: usize,
    /// Whether it has changed parameters and states all the same.
    pub(crate) updated: bool,
    /// The rows it was given through a table, if any.
    pub(crate) rows: &'a [u32],
    /// Its loss.
    pub(crate) loss: f32,
    /// Its learning rate, where it is not the model's.
    pub(crate) rate: Option<f32>,
}

/// What was found.
pub(crate) enum Finding {
    Violation(Violation),
    NonFinite { part: Part, concerned: Vec<String>, cause: Option<Cause> },
}

/// An input's elements as words. Declared inputs have the same slots in all entries of a declaration.
pub(crate) struct Copied {
    pub(crate) slot: usize,
    pub(crate) words: Vec<u32>,
    pub(crate) shape: Vec<usize>,
}

/// A step that was repeated for a diagnosis.
pub(crate) struct Examined<'a> {
    pub(crate) worker: &'a Worker<'a>,
    pub(crate) stopped: Stopped<'a>,
    /// The diagnosis among the model's entries.
    pub(crate) index: usize,
    pub(crate) data: &'a [Copied],
    pub(crate) buffers: &'a [OutputBuffer],
}

impl Examined<'_> {
    pub(crate) fn finding(&self, diagnosis: &Diagnosis) -> Finding {
        let watched = self.with_outputs(diagnosis);
        let broken = |what: &[Watched]| {
            let of_kind = watched.iter().filter(|(_, watch)| what.contains(&watch.what));
            let broken = of_kind.filter(|(output, watch)| self.broken(*output, watch).is_some());
            broken.map(|(_, watch)| watch.name.trim_matches('`').to_owned()).collect::<Vec<String>>()
        };
        let (gradients, updates) =
            (broken(&[Watched::Gradient]), broken(&[Watched::Update, Watched::StateUpdate]));
        let (part, concerned) = match (self.stopped.loss.is_finite(), gradients.is_empty()) {
            (false, _) => (Part::Loss, Vec::new()),
            (true, false) => (Part::Gradient, gradients),
            (true, true) => (Part::Update, updates),
        };
        // A check that is violated by a number is a mistake whatever else is; data may hold NaN that is masked out.
        let mut checks = watched.iter().filter(|_| part == Part::Loss);
        if let Some(violation) = checks.find_map(|(output, watch)| self.violation(*output, watch)) {
            return Finding::Violation(violation);
        }
        let before = match part {
            Part::Loss => self.input().or_else(|| self.storage()),
            Part::Gradient | Part::Update => self.storage(),
            Part::Made => None,
        };
        let computed = || watched.iter().find_map(|(output, watch)| self.cause(*output, watch, part));
        let cause = before.or_else(computed);
        // Data that the loss masks out still takes part in products of the gradient: no value of the network shows it.
        let from_data = match &cause {
            Some(cause) if matches!(cause.kind, Kind::Gradient | Kind::Update | Kind::StateUpdate) => {
                self.input()
            }
            _ => None,
        };
        Finding::NonFinite { part, concerned, cause: from_data.or(cause) }
    }

    /// What is watched, each with the index of its output.
    fn with_outputs<'d>(&self, diagnosis: &'d Diagnosis) -> Vec<(usize, &'d Watch)> {
        let mut output = 0;
        let with_outputs = diagnosis.watched.iter().map(|watch| {
            let own = output;
            // The mask of a check is the output after its value.
            output += if matches!(watch.what, Watched::Check(_)) { 2 } else { 1 };
            (own, watch)
        });
        with_outputs.collect()
    }

    /// The first input element that is not finite.
    fn input(&self) -> Option<Cause> {
        let slots = &self.worker.work.entries[self.stopped.index].entry.interface.slots;
        self.data.iter().filter(|copied| slots[copied.slot].element == ElementType::F32).find_map(|copied| {
            let slot = &slots[copied.slot];
            let (position, value) =
                first_broken(copied.words.iter().map(|&bits| f64::from(f32::from_bits(bits))), false)?;
            let at = self.place(position, copied.words.len(), slot.row_len(&copied.shape));
            let (name, origin) = (format!("`{}`", slot.name), Origin::default());
            Some(Cause { kind: Kind::Input, name, at, value, origin })
        })
    }

    /// The first element of a parameter or state that is not finite.
    fn storage(&self) -> Option<Cause> {
        let (program, entry) = (&self.worker.program, &self.worker.work.entries[self.index].entry);
        let reads = |place: usize| entry.graph().ids().any(|id| *entry.graph().op(id) == Op::Storage(place));
        entry.storages.iter().enumerate().filter(|(place, _)| reads(*place)).find_map(|(_, &index)| {
            let storage = &program.storages()[index];
            let buffer = &self.worker.storages[index];
            let (position, value) = buffer.first_broken(storage.ty.element)?;
            let kind = match storage.kind {
                StorageKind::Parameter => Kind::Parameter,
                StorageKind::State => Kind::State,
            };
            let (name, origin) = (format!("`{}`", storage.name), storage.origin.clone());
            let at = Place::new(position, buffer.count(storage.ty.element), None);
            Some(Cause { kind, name, at, value, origin })
        })
    }

    /// The first element of a watched value that is not finite.
    fn broken(&self, output: usize, watch: &Watch) -> Option<(usize, f64)> {
        match &self.buffers[output] {
            OutputBuffer::F32(numbers) => {
                first_broken(numbers.iter().copied().map(f64::from), watch.may_be_infinite)
            }
            OutputBuffer::F64(numbers) => first_broken(numbers.iter().copied(), watch.may_be_infinite),
            OutputBuffer::I32(_) | OutputBuffer::U32(_) => None,
        }
    }

    /// A watched value as the cause, where it is not finite. After a finite loss NaN in the declared values has been left aside by a
    /// `select`, but infinities may have come to nothing in the loss and not in the gradient.
    fn cause(&self, output: usize, watch: &Watch, part: Part) -> Option<Cause> {
        let (position, value) = self.broken(output, watch)?;
        let kind = match &watch.what {
            Watched::Check(_) | Watched::Value => Kind::Value,
            Watched::Loss => Kind::Loss,
            Watched::Gradient => Kind::Gradient,
            Watched::Update => Kind::Update,
            Watched::StateUpdate => Kind::StateUpdate,
        };
        let counts = match part {
            Part::Loss => true,
            Part::Gradient => kind == Kind::Gradient || value.is_infinite(),
            Part::Update | Part::Made => matches!(kind, Kind::Update | Kind::StateUpdate),
        };
        let (name, origin) = (watch.name.clone(), watch.origin.clone());
        counts.then(|| Cause { kind, name, at: self.place_in(output, position), value, origin })
    }

    /// The first number that breaks a check; what is not finite has another cause.
    fn violation(&self, output: usize, watch: &Watch) -> Option<Violation> {
        let Watched::Check(check) = &watch.what else { return None };
        let OutputBuffer::U32(mask) = &self.buffers[output + 1] else { return None };
        let value = |position: usize| match &self.buffers[output] {
            OutputBuffer::F32(numbers) => f64::from(numbers[position]),
            OutputBuffer::F64(numbers) => numbers[position],
            OutputBuffer::I32(numbers) => f64::from(numbers[position]),
            OutputBuffer::U32(numbers) => f64::from(numbers[position]),
        };
        let is_broken = |&position: &usize| mask[position] == 0 && value(position).is_finite();
        let position = (0..mask.len()).find(is_broken)?;
        Some(Violation {
            name: check.name.clone(),
            at: self.place_in(output, position),
            value: value(position),
            user: check.user.to_owned(),
            takes: check.rule.words(self.classes(&check.rule)),
            help: check.help.to_owned(),
            origin: check.origin.clone(),
            step: None,
        })
    }

    /// What indices are below.
    fn classes(&self, rule: &Rule) -> i64 {
        rule.below().map_or(0, |count| count.evaluate(&self.sizes()).unwrap_or(0))
    }

    fn sizes(&self) -> Bindings {
        let runnable = &self.worker.work.entries[self.index];
        runnable.entry.interface.bindings(&runnable.prepared().sizes, self.worker.program.bindings())
    }

    /// The position of an element of an output: by row where its first axis is the batch.
    fn place_in(&self, output: usize, position: usize) -> Place {
        let runnable = &self.worker.work.entries[self.index];
        let (shape, len) = &runnable.prepared().outputs[output];
        let first = runnable.outputs()[output].1.shape.dims().first();
        let step = &self.worker.work.entries[self.stopped.index].entry.interface;
        let counts_rows = step.rows.is_some_and(|rows| first == Some(&Dim::symbol(&step.symbols[rows])));
        self.place(position, *len, counts_rows.then(|| shape.iter().skip(1).product()))
    }

    /// The position of an element, with the row's number in the data set.
    fn place(&self, position: usize, len: usize, row_len: Option<usize>) -> Place {
        let place = Place::new(position, len, row_len);
        let number = |row: usize| self.stopped.rows.get(row).map_or(row, |&number| number as usize);
        Place { row: place.row.map(number), ..place }
    }
}
