//! Why a step was stopped.
//!
//! In: an entry that has just run, its loss, the rows it was given. Out: an [`Error`] that says what was first: data, a check, a
//! parameter, a value of the declaration, the loss, a gradient or an update.
//!
//! How: the step is made once more, on the same rows, parameters and random numbers, by code that writes every value of interest and
//! changes nothing (`downhill_graph::entry::diagnosis`). This is the cold path: it compiles, copies and allocates.

use crate::bind::Given;
use crate::cause::{Cause, Kind, Part, Place, Violation};
use crate::error::Error;
use crate::model::Model;
use crate::outputs::Room;
use crate::program::Diagnosis;
use crate::view::{Extent, MAX_RANK, ViewMut};
use downhill_graph::check::{Check, Rule};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::entry::{Watch, Watched};
use downhill_graph::error::Origin;
use downhill_graph::graph::StorageKind;
use downhill_graph::op::Op;
use downhill_graph::optimizer::LEARNING_RATE;
use downhill_graph::types::ElementType;

/// A step that was not carried out, or gradients of a loss that is not finite.
#[derive(Clone, Copy)]
pub(crate) struct Stopped<'a> {
    /// The entry.
    pub(crate) index: usize,
    /// The step of the call, from 0.
    pub(crate) step: usize,
    /// The rows it was given through a table, if any.
    pub(crate) rows: &'a [u32],
    /// Its loss.
    pub(crate) loss: f32,
    /// Its learning rate, where it is not the model's.
    pub(crate) rate: Option<f32>,
}

/// What was found.
enum Finding {
    Violation(Violation),
    NonFinite { part: Part, concerned: Vec<String>, cause: Option<Cause> },
}

impl Model {
    /// The error of a stopped step. The model has made the steps before it and no more.
    ///
    /// # Safety
    /// What the entry was given is still borrowed.
    #[cold]
    pub(crate) unsafe fn not_finite(&mut self, stopped: Stopped<'_>) -> Error {
        let loss = self.entries[stopped.index].entry.loss.as_deref().unwrap_or_default().to_owned();
        // SAFETY: the caller's promise.
        let found = unsafe { self.examine(stopped, &loss) };
        let (part, concerned, cause) = match found {
            Some(Finding::Violation(violation)) => {
                let step = Some(stopped.step);
                return Error::Violation(Box::new(Violation { step, ..violation }));
            }
            Some(Finding::NonFinite { part, concerned, cause }) => (part, concerned, cause),
            None if stopped.loss.is_finite() => (Part::Gradient, Vec::new(), None),
            None => (Part::Loss, Vec::new(), None),
        };
        let (cause, step, steps_before) = (cause.map(Box::new), stopped.step, self.steps_made);
        Error::NonFinite { loss, part, concerned, cause, step, steps_before }
    }

    /// The violated check by which a loss, of which gradients were asked for, is not finite, if it is that.
    ///
    /// # Safety
    /// As [`Model::not_finite`].
    #[cold]
    pub(crate) unsafe fn violated(&mut self, index: usize, loss: f32) -> Result<(), Error> {
        let name = self.entries[index].entry.loss.as_deref().unwrap_or_default().to_owned();
        if !self.program.computes_checks(&name) {
            return Ok(());
        }
        let stopped = Stopped { index, step: 0, rows: &[], loss, rate: None };
        // SAFETY: the caller's promise.
        match unsafe { self.examine(stopped, &name) } {
            Some(Finding::Violation(violation)) => Err(Error::Violation(Box::new(violation))),
            _ => Ok(()),
        }
    }

    /// Makes the step once more, watched. `None` where that cannot be done.
    ///
    /// # Safety
    /// As [`Model::not_finite`].
    unsafe fn examine(&mut self, stopped: Stopped<'_>, loss: &str) -> Option<Finding> {
        let diagnosis = self.program.diagnosis(loss)?;
        let index = self.entry_at(diagnosis.entry.clone());
        // SAFETY: the caller's promise.
        let data = unsafe { self.copies(stopped) };
        self.give_copies(index, &data);
        self.prepare(index).ok()?;
        let rate = stopped.rate.or_else(|| self.entries[stopped.index].hyper(LEARNING_RATE));
        self.entries[index].set_hyper(LEARNING_RATE, rate.unwrap_or(0.0));

        let mut rooms = self.entries[index].rooms();
        let mut views: Vec<ViewMut<'_>> = rooms.iter_mut().map(Room::view_mut).collect();
        self.entries[index].bind_outputs(&mut views, &mut self.frame.outputs).ok()?;
        // SAFETY: the outputs were just bound, and they and the copies live until this function returns; no input is looked up, as
        // it updates nothing.
        let stopped_again = unsafe { self.launch(index, &[], None, &mut [0.0], None) };
        self.frame.given.clear();
        let examined = Examined { model: self, stopped, index, data: &data, rooms: &rooms };
        stopped_again.is_none().then(|| examined.finding(&diagnosis))
    }

    /// The data of a step, in the order of its rows.
    ///
    /// # Safety
    /// As [`Model::not_finite`].
    unsafe fn copies(&self, stopped: Stopped<'_>) -> Vec<Copied> {
        let runnable = &self.entries[stopped.index];
        let slots = runnable.entry.interface.slots.iter().enumerate();
        let (prepared, given) = (runnable.prepared(), &self.frame.given);
        let read = slots.filter(|(_, slot)| slot.read && slot.is_data());
        let copied = read.filter_map(|(at, slot)| {
            let (given, ready) = (given[at].as_ref()?, &prepared.slots[at]);
            // SAFETY: the caller's promise; elements are words, masks included, which `take_in` has widened.
            let words = unsafe { std::slice::from_raw_parts(given.base.cast::<u32>(), given.whole) };
            let row_len: usize = ready.shape.iter().skip(1).product();
            let words = if slot.lookup {
                stopped
                    .rows
                    .iter()
                    .flat_map(|&row| &words[row as usize * row_len..][..row_len])
                    .copied()
                    .collect()
            } else {
                words[..ready.len].to_vec()
            };
            Some(Copied { slot: at, words, shape: ready.shape.clone() })
        });
        copied.collect()
    }

    /// Puts the copies into the slots of the same names.
    fn give_copies(&mut self, index: usize, data: &[Copied]) {
        let slots = &self.entries[index].entry.interface.slots;
        self.frame.given.clear();
        self.frame.given.resize(slots.len(), None);
        for copied in data {
            let (Some(slot), rank) =
                (slots.get(copied.slot).filter(|slot| slot.is_data()), copied.shape.len())
            else {
                continue;
            };
            let mut dims = [0; MAX_RANK];
            dims[..rank].copy_from_slice(&copied.shape);
            self.frame.given[copied.slot] = Some(Given {
                base: copied.words.as_ptr().cast(),
                element: slot.element,
                len: copied.words.len(),
                extent: Extent::Shaped(rank as u8, dims),
                whole: copied.words.len(),
            });
        }
    }
}

/// An input's elements as words. Declared inputs have the same slots in all entries of a declaration.
struct Copied {
    slot: usize,
    words: Vec<u32>,
    shape: Vec<usize>,
}

/// A step that was made once more.
struct Examined<'a> {
    model: &'a Model,
    stopped: Stopped<'a>,
    /// The diagnosis among the model's entries.
    index: usize,
    data: &'a [Copied],
    rooms: &'a [Room],
}

impl Examined<'_> {
    fn finding(&self, diagnosis: &Diagnosis) -> Finding {
        let mut rooms = 0..self.rooms.len();
        let watched: Vec<(usize, &Watch)> = diagnosis
            .watched
            .iter()
            .filter_map(|watch| {
                let room = rooms.next()?;
                // The mask of a check stands behind its value.
                if matches!(watch.what, Watched::Check(_)) {
                    rooms.next();
                }
                Some((room, watch))
            })
            .collect();
        let broken = |what: &Watched| {
            let of_kind = watched
                .iter()
                .filter(|(room, watch)| watch.what == *what && self.broken(*room, watch).is_some());
            of_kind.map(|(_, watch)| watch.name.trim_matches('`').to_owned()).collect::<Vec<String>>()
        };
        let (gradients, updates) = (broken(&Watched::Gradient), broken(&Watched::Update));
        let (part, concerned) = match (self.stopped.loss.is_finite(), gradients.is_empty()) {
            (false, _) => (Part::Loss, Vec::new()),
            (true, false) => (Part::Gradient, gradients),
            (true, true) => (Part::Update, updates),
        };
        let mut cause = match part {
            Part::Loss => self.input().or_else(|| self.storage()),
            Part::Gradient => self.storage(),
            Part::Update => None,
        };
        for (room, watch) in watched {
            if cause.is_some() {
                break;
            }
            if let (Watched::Check(check), Part::Loss) = (&watch.what, part)
                && let Some(violation) = self.violation(room, check)
            {
                return Finding::Violation(violation);
            }
            cause = self.cause(room, watch, part);
        }
        Finding::NonFinite { part, concerned, cause }
    }

    /// The first input element that is not finite.
    fn input(&self) -> Option<Cause> {
        let slots = &self.model.entries[self.stopped.index].entry.interface.slots;
        self.data.iter().filter(|copied| slots[copied.slot].element == ElementType::F32).find_map(|copied| {
            let slot = &slots[copied.slot];
            let (position, value) =
                first_broken(copied.words.iter().map(|&bits| f32::from_bits(bits)), false)?;
            let at = self.place(position, copied.words.len(), slot.row_len(&copied.shape));
            let (name, origin) = (format!("`{}`", slot.name), Origin::default());
            Some(Cause { kind: Kind::Input, name, at, value, origin })
        })
    }

    /// The first element of a parameter or state that is not finite.
    fn storage(&self) -> Option<Cause> {
        let (program, entry) = (&self.model.program, &self.model.entries[self.index].entry);
        let reads = |place: usize| entry.graph.ids().any(|id| *entry.graph.op(id) == Op::Storage(place));
        entry.storages.iter().enumerate().filter(|(place, _)| reads(*place)).find_map(|(_, &index)| {
            let storage = &program.storages()[index];
            let buffer = &self.model.storages[index];
            let numbers = buffer.bits().map(f32::from_bits);
            let (position, value) = first_broken(numbers, false).filter(|_| storage.ty.element.is_float())?;
            let kind = match storage.kind {
                StorageKind::Parameter => Kind::Parameter,
                StorageKind::State => Kind::State,
            };
            let (name, origin) = (format!("`{}`", storage.name), storage.origin.clone());
            let at = Place::new(position, buffer.bits().count(), None);
            Some(Cause { kind, name, at, value, origin })
        })
    }

    /// The first element of a watched value that is not finite.
    fn broken(&self, room: usize, watch: &Watch) -> Option<(usize, f64)> {
        match &self.rooms[room] {
            Room::F32(numbers) => first_broken(numbers.iter().copied(), watch.may_be_infinite),
            Room::I32(_) | Room::U32(_) => None,
        }
    }

    /// A watched value as the cause, where it is not finite. After a finite loss NaN in the declared values has been left aside by a
    /// `select`, but infinities may have come to nothing in the loss and not in the gradient.
    fn cause(&self, room: usize, watch: &Watch, part: Part) -> Option<Cause> {
        let (position, value) = self.broken(room, watch)?;
        let kind = match &watch.what {
            Watched::Check(_) | Watched::Value => Kind::Value,
            Watched::Loss => Kind::Loss,
            Watched::Gradient => Kind::Gradient,
            Watched::Update => Kind::Update,
        };
        let counts = match part {
            Part::Loss => true,
            Part::Gradient => kind == Kind::Gradient || value.is_infinite(),
            Part::Update => kind == Kind::Update,
        };
        let (name, origin) = (watch.name.clone(), watch.origin.clone());
        counts.then(|| Cause { kind, name, at: self.place_in(room, position), value, origin })
    }

    /// The first element that breaks a check, but for NaN, which has another cause.
    fn violation(&self, room: usize, check: &Check) -> Option<Violation> {
        let Room::U32(mask) = &self.rooms[room + 1] else { return None };
        let value = |position: usize| match &self.rooms[room] {
            Room::F32(numbers) => f64::from(numbers[position]),
            Room::I32(numbers) => f64::from(numbers[position]),
            Room::U32(numbers) => f64::from(numbers[position]),
        };
        let position = (0..mask.len()).find(|&position| mask[position] == 0 && !value(position).is_nan())?;
        Some(Violation {
            name: check.name.clone(),
            at: self.place_in(room, position),
            value: value(position),
            user: check.user.to_owned(),
            takes: check.rule.words(self.classes(&check.rule)),
            help: check.help.to_owned(),
            origin: check.origin.clone(),
            step: None,
        })
    }

    /// The bound of class indices.
    fn classes(&self, rule: &Rule) -> i64 {
        let Rule::Class(count) = rule else { return 0 };
        count.evaluate(&self.sizes()).unwrap_or(0)
    }

    fn sizes(&self) -> Bindings {
        let runnable = &self.model.entries[self.index];
        runnable.entry.interface.bindings(&runnable.prepared().sizes, self.model.program.bindings())
    }

    /// The place of an element of an output: in rows, where its first axis counts those of the batch.
    fn place_in(&self, room: usize, position: usize) -> Place {
        let runnable = &self.model.entries[self.index];
        let (shape, len) = &runnable.prepared().outputs[room];
        let first = runnable.outputs()[room].1.shape.dims().first();
        let step = &self.model.entries[self.stopped.index].entry.interface;
        let counts_rows = step.rows.is_some_and(|rows| first == Some(&Dim::symbol(&step.symbols[rows])));
        self.place(position, *len, counts_rows.then(|| shape.iter().skip(1).product()))
    }

    /// The place of an element, with the row's number in the data set.
    fn place(&self, position: usize, len: usize, row_len: Option<usize>) -> Place {
        let place = Place::new(position, len, row_len);
        let number = |row: usize| self.stopped.rows.get(row).map_or(row, |&number| number as usize);
        Place { row: place.row.map(number), ..place }
    }
}

/// Position and value of the first number that is not finite, or of the first NaN.
fn first_broken(numbers: impl Iterator<Item = f32>, may_be_infinite: bool) -> Option<(usize, f64)> {
    let is_broken = |x: f32| if may_be_infinite { x.is_nan() } else { !x.is_finite() };
    numbers.enumerate().find(|&(_, x)| is_broken(x)).map(|(position, x)| (position, f64::from(x)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Options, Program};
    use downhill_graph::builder::{Builder, Value};
    use downhill_graph::graph::Role;
    use downhill_graph::optimizer::{Optimizer, adam, sgd};
    use downhill_graph::random::Initializer;
    use downhill_graph::value::{exp, mean, sqrt, square, sum};
    use std::sync::Arc;

    /// What is found of a step of `loss(x, w)` with w = 0, as if code had stopped it for another reason than its loss.
    fn found(optimizer: impl Into<Optimizer>, loss: impl Fn(&Value, &Value) -> Value) -> Error {
        let declare = |mode| {
            let builder = Builder::new(mode);
            let x = builder.input(
                "x",
                ElementType::F32,
                ["batch", "2"].map(|dim| match dim {
                    "2" => Dim::from(2),
                    name => Dim::symbol(name),
                }),
            );
            let w = builder.scope("layer", || builder.parameter("w", [2], Initializer::Zeros));
            let loss = builder.scope("loss", || loss(&x, &w));
            builder.loss("loss", &loss, None);
            builder.finish()
        };
        let options = Options { optimizer: Some(optimizer.into()), ..Options::default() };
        let program = Arc::new(Program::build("test", declare, options).expect("a program"));
        let mut model = program.model(0).expect("a model");
        let x = [0.5_f32, 1.0, -1.0, 2.0];
        model.ready(1, |interface, given| interface.place(Role::Input, &&x, given)).expect("a fit");
        let stopped = Stopped { index: 1, step: 0, rows: &[0, 1], loss: 1.0, rate: None };
        // SAFETY: `x` lives.
        unsafe { model.not_finite(stopped) }
    }

    fn parts(error: Error) -> (Part, Vec<String>, Kind, String) {
        match error {
            Error::NonFinite { part, concerned, cause: Some(cause), .. } => {
                (part, concerned, cause.kind, cause.name)
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn after_a_finite_loss_the_gradient_or_the_update_is_named() {
        let w = || "`layer.w`".to_owned();
        let plain = || vec!["layer.w".to_owned()];
        let root = found(sgd(0.1), |x, w| sqrt(sum(square(w))) + mean(x) * 0.0);
        assert_eq!(
            root.to_string(),
            "loss `loss` is finite but the gradient by `layer.w` became infinite or NaN in step 0 of this call (steps made before \
             it: 0); its parameters are those from before that step. The first value that is not finite is NaN in the gradient by \
             `layer.w` at position 0: a root, quotient or power has an infinite derivative there, or factors have grown too large"
        );
        assert_eq!(parts(root), (Part::Gradient, plain(), Kind::Gradient, w()));
        let divided = found(adam(0.1).eps(0.0), |x, w| mean(square(w * x)));
        assert_eq!(parts(divided), (Part::Update, plain(), Kind::Update, w()));
    }

    #[test]
    fn an_infinity_that_comes_to_nothing_in_the_loss_is_named() {
        let lost = found(sgd(0.1), |x, w| {
            let great = exp(w + 100.0).named("great");
            mean(1.0 / (great + 1.0)) + mean(x)
        });
        let (part, _, kind, name) = parts(lost);
        assert_eq!((part, kind, name.as_str()), (Part::Gradient, Kind::Value, "`great`"));
    }
}
