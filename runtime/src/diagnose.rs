//! Why a step was stopped.
//!
//! In: an entry that has just run, its loss, the rows it was given. Out: an [`Error`] that says what was first: data, a check, a
//! parameter, a value of the declaration, the loss, a gradient or an update.
//!
//! How: the step is repeated, on the same rows, parameters and random numbers, by code that writes every value of interest and
//! changes nothing (`downhill_nn::entry::diagnosis`). This is the cold path: it compiles, copies and allocates.

use crate::cause::{Part, Violation};
use crate::error::Error;
use crate::finding::{Copied, Examined, Finding, Stopped};
use crate::given::Given;
use crate::outputs::OutputBuffer;
use crate::view::{Extent, MAX_RANK, ViewMut};
use crate::worker::{FIRST_STEP, Worker};

impl Worker<'_> {
    /// The error of a stopped step. The model has made the steps before it and no more, or, where it has changed parameters, that step.
    ///
    /// # Safety
    /// What the entry was given is still borrowed.
    #[cold]
    pub(crate) unsafe fn not_finite(&mut self, stopped: Stopped<'_>) -> Error {
        let loss = self.work.entries[stopped.index].entry.loss.as_deref().unwrap_or_default().to_owned();
        if stopped.updated {
            let (concerned, steps_before) = (self.broken_storages(), self.steps_made.saturating_sub(1));
            let (part, cause, step) = (Part::Made, None, stopped.step);
            return Error::NonFinite { loss, part, concerned, cause, step, steps_before };
        }
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

    /// The names of parameters and states that are not finite.
    pub(crate) fn broken_storages(&self) -> Vec<String> {
        let storages = self.program.storages().iter().zip(&*self.storages);
        let broken = storages.filter(|(storage, buffer)| buffer.first_broken(storage.ty.element).is_some());
        broken.map(|(storage, _)| storage.name.to_string()).collect()
    }

    /// The violated check by which a loss, of which gradients were asked for, is not finite, if it is that.
    ///
    /// # Safety
    /// As [`Worker::not_finite`].
    #[cold]
    pub(crate) unsafe fn violated(&mut self, index: usize, loss: f32) -> Result<(), Error> {
        let name = self.work.entries[index].entry.loss.as_deref().unwrap_or_default().to_owned();
        if !self.program.computes_checks(&name) {
            return Ok(());
        }
        let stopped = Stopped { index, step: 0, updated: false, rows: &[], loss, rate: None };
        // SAFETY: the caller's promise.
        match unsafe { self.examine(stopped, &name) } {
            Some(Finding::Violation(violation)) => Err(Error::Violation(Box::new(violation))),
            _ => Ok(()),
        }
    }

    /// Makes the step once more, watched. `None` where that cannot be done.
    ///
    /// # Safety
    /// As [`Worker::not_finite`].
    unsafe fn examine(&mut self, stopped: Stopped<'_>, loss: &str) -> Option<Finding> {
        let diagnosis = self.program.diagnosis(loss)?;
        let index = self.entry_at(diagnosis.entry.clone());
        // SAFETY: the caller's promise.
        let data = unsafe { self.copies(stopped) };
        self.give_copies(index, &data);
        self.prepare(index).ok()?;
        let rate = stopped.rate.or_else(|| self.rates.get(stopped.index.wrapping_sub(FIRST_STEP)).copied());
        self.work.entries[index].draws_as_said = self.work.entries[stopped.index].draws_as_said;

        let mut buffers = self.work.entries[index].output_buffers();
        let mut views: Vec<ViewMut<'_>> = buffers.iter_mut().map(OutputBuffer::view_mut).collect();
        self.work.entries[index].bind_outputs(&mut views, &mut self.work.frame.outputs).ok()?;
        // SAFETY: the outputs were just bound, and they and the copies live until this function returns; no input is looked up, as
        // it updates nothing.
        let stopped_again =
            unsafe { self.launch(index, &[], Some(&[rate.unwrap_or(0.0)]), &mut [0.0], None) };
        self.work.frame.given.clear();
        let examined = Examined { worker: self, stopped, index, data: &data, buffers: &buffers };
        stopped_again.is_none().then(|| examined.finding(&diagnosis))
    }

    /// The data of a step, in the order of its rows.
    ///
    /// # Safety
    /// As [`Worker::not_finite`].
    unsafe fn copies(&self, stopped: Stopped<'_>) -> Vec<Copied> {
        let runnable = &self.work.entries[stopped.index];
        let slots = runnable.entry.interface.slots.iter().enumerate();
        let (prepared, given) = (runnable.prepared(), &self.work.frame.given);
        let read = slots.filter(|(_, slot)| slot.read && slot.is_data());
        let copied = read.filter_map(|(at, slot)| {
            let (given, ready) = (given[at].as_ref()?, &prepared.slots[at]);
            // SAFETY: the caller's promise; elements are words, whatever was given, since `take_in` has converted it.
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
        let slots = &self.work.entries[index].entry.interface.slots;
        self.work.frame.given.clear();
        self.work.frame.given.resize(slots.len(), None);
        for copied in data {
            let (Some(slot), rank) =
                (slots.get(copied.slot).filter(|slot| slot.is_data()), copied.shape.len())
            else {
                continue;
            };
            let mut dims = [0; MAX_RANK];
            dims[..rank].copy_from_slice(&copied.shape);
            self.work.frame.given[copied.slot] = Some(Given {
                base: copied.words.as_ptr().cast(),
                element: slot.element,
                width: None,
                len: copied.words.len(),
                extent: Extent::Shaped(rank as u8, dims),
                whole: copied.words.len(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Kind;
    use crate::program::{Options, Program};
    use downhill_graph::dim::Dim;
    use downhill_graph::graph::Role;
    use downhill_graph::random::Initializer;
    use downhill_graph::types::ElementType;
    use downhill_nn::builder::{Builder, Value};
    use downhill_nn::optimizers::{Optimizer, sgd};
    use downhill_nn::value::{exp, mean, sqrt, square, sum};
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
        model.training(|worker| {
            worker.ready(1, |interface, given| interface.place(Role::Input, &&x, given)).expect("a fit");
            let stopped = Stopped { index: 1, step: 0, updated: false, rows: &[0, 1], loss: 1.0, rate: None };
            // SAFETY: `x` lives.
            unsafe { worker.not_finite(stopped) }
        })
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
        let far = found(sgd(1e38), |x, w| mean(w * x * 1e3));
        assert_eq!(parts(far), (Part::Update, plain(), Kind::Update, w()));
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
