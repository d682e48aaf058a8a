//! An entry as one caller runs it: with prepared sizes and keys of random streams.
//!
//! In: a compiled entry. Out: a [`Runnable`]. Must hold: once a size was prepared, `last` is the index of one, and `code` is the variant
//! that it was prepared for.

use crate::compiled::{CompiledEntry, Variant};
use crate::error::Error;
use crate::outputs::{OutputBuffer, name_of, stored_as};
use crate::prepare::Prepared;
use crate::view::ViewMut;
use downhill_graph::graph::{Purpose, bug};
use downhill_graph::random::stream_seed;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Type};
use std::sync::Arc;

/// How many sizes of an entry stay prepared.
const MOST_PREPARED: usize = 32;

/// An entry with what a model has prepared for it.
#[derive(Debug)]
pub(crate) struct Runnable {
    pub(crate) entry: Arc<CompiledEntry>,
    pub(crate) prepared: Vec<Prepared>,
    /// The one in use.
    pub(crate) last: usize,
    /// The code that runs it, which lives at least as long as it is in use.
    pub(crate) code: Arc<Variant>,
    /// The key of each random stream.
    pub(crate) keys: Vec<[u32; 2]>,
    /// Whether its code takes rows through a table.
    pub(crate) looks_up: bool,
    /// Whether it draws the random numbers of the step that was said ([`crate::model::Model::set_random_step`]), if one was: what changes
    /// nothing does.
    pub(crate) draws_as_said: bool,
}

impl Runnable {
    pub(crate) fn new(entry: Arc<CompiledEntry>, seed: u64) -> Runnable {
        let code = entry.generic().clone();
        let keys = keys_of(&code, seed);
        let looks_up = code.entry.inputs.iter().any(|slot| slot.lookup);
        let draws_as_said = !entry.updates;
        Runnable { keys, looks_up, draws_as_said, entry, prepared: Vec::new(), last: 0, code }
    }

    /// Draws the random numbers of this seed from here on.
    pub(crate) fn set_seed(&mut self, seed: u64) {
        self.keys = keys_of(self.entry.generic(), seed);
    }

    /// Turns to a prepared size. `false` where its code has made way.
    pub(crate) fn turn_to(&mut self, index: usize) -> bool {
        let Some(code) = self.prepared[index].code.upgrade() else { return false };
        if code.report.is_some()
            && let Some(own) = &self.entry.own
        {
            own.touch(&code);
        }
        (self.last, self.code) = (index, code);
        true
    }

    /// Takes a size that was prepared for `code`, in the place of `known` or as a new one, for which the oldest makes way.
    pub(crate) fn take(&mut self, prepared: Prepared, code: Arc<Variant>, known: Option<usize>) {
        let at = known.unwrap_or_else(|| {
            if self.prepared.len() == MOST_PREPARED {
                self.prepared.remove(0);
            }
            self.prepared.len()
        });
        match self.prepared.get_mut(at) {
            Some(place) => *place = prepared,
            None => self.prepared.push(prepared),
        }
        (self.last, self.code) = (at, code);
    }

    /// What was made ready.
    pub(crate) fn prepared(&self) -> &Prepared {
        &self.prepared[self.last]
    }

    /// The rows of a single step, of those that the model has numbered; none where the code takes none.
    pub(crate) fn rows<'a>(&self, identity: &'a [u32]) -> &'a [u32] {
        if self.looks_up { &identity[..self.prepared().batch.unwrap_or(0)] } else { &[] }
    }

    pub(crate) fn outputs(&self) -> &[(Purpose, Type)] {
        &self.entry.generic().entry.outputs
    }

    /// Memory for the outputs of what was made ready.
    pub(crate) fn output_buffers(&self) -> Vec<OutputBuffer> {
        (0..self.outputs().len()).map(|output| self.output_buffer(output)).collect()
    }

    /// Memory for an output of the prepared size.
    pub(crate) fn output_buffer(&self, output: usize) -> OutputBuffer {
        OutputBuffer::new(self.outputs()[output].1.element, self.prepared().outputs[output].1)
    }

    /// The output that has been written to `buffer`.
    pub(crate) fn tensor(&self, output: usize, buffer: OutputBuffer) -> Result<Tensor, Error> {
        buffer.into_tensor(&self.prepared().outputs[output].0, self.outputs()[output].1.element)
    }

    /// Refuses a caller's buffer whose shape is not the output's.
    pub(crate) fn check_sizes(&self, output: usize, sizes: Option<&[usize]>) -> Result<(), Error> {
        let shape = &self.prepared().outputs[output].0;
        match sizes {
            Some(sizes) if sizes != shape.as_slice() => Err(Error::Shape {
                name: name_of(&self.outputs()[output].0).to_string(),
                expected: format!("{shape:?}"),
                found: format!("{sizes:?}"),
                reason: "the shapes differ".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks the type and length of each output buffer, and collects their addresses.
    pub(crate) fn bind_outputs(
        &self,
        outputs: &mut [ViewMut<'_>],
        pointers: &mut Vec<*mut u8>,
    ) -> Result<(), Error> {
        pointers.clear();
        if outputs.len() != self.outputs().len() {
            bug("another number of outputs than native code writes");
        }
        let expected = self.outputs().iter().zip(&self.prepared().outputs);
        for (((purpose, ty), (shape, len)), output) in expected.zip(outputs) {
            if output.element() != stored_as(ty.element) {
                let (name, found) = (name_of(purpose).to_string(), output.element());
                if ty.element == ElementType::Bool && found == ElementType::Bool {
                    let message = format!("`{name}` is a mask, which is written as u32, not as bool");
                    return Err(Error::usage(message, "give it a `Vec<u32>` or a tensor of u32: 0 is false"));
                }
                return Err(Error::Element { name, expected: stored_as(ty.element), found });
            }
            if output.len() != *len {
                return Err(Error::Shape {
                    name: name_of(purpose).to_string(),
                    expected: format!("{shape:?}"),
                    found: format!("room for {}", output.len()),
                    reason: format!("it takes {len}"),
                });
            }
            pointers.push(output.base());
        }
        Ok(())
    }
}

/// The key of each random stream. All code of an entry has the same streams.
fn keys_of(code: &Variant, seed: u64) -> Vec<[u32; 2]> {
    code.entry.streams.iter().map(|&stream| stream_seed(seed, stream)).collect()
}
