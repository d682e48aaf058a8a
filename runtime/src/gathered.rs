//! Gradients that wait to be applied, as plain data.
//!
//! In: a model in the midst of a step in parts. Out: what it has gathered, by name; and a model that goes on from there.

use crate::error::Error;
use crate::mismatch::Mismatch;
use crate::model::{Model, storage_shape};
use crate::storage::Buffer;
use crate::view::Data;
use crate::worker::{FIRST_STEP, PARTS_OF_STEP};
use downhill_graph::graph::Storage;
use downhill_graph::tensor::Tensor;
use std::collections::HashSet;

/// Tensors by name.
type Named = [(String, Tensor)];

impl Model {
    /// What was gathered for a loss.
    pub(crate) fn gathered(&self, loss: &str) -> Vec<(String, Tensor)> {
        // Compiled before anything was gathered.
        let Ok(parts) = self.program.parts(loss) else { return Vec::new() };
        let buffers = &self.storages[self.program.storages().len()..];
        let own = parts.gathered.iter().zip(buffers).skip(parts.own);
        own.filter_map(|(storage, buffer)| named(storage, buffer)).collect()
    }

    /// The places of the losses whose gradients wait in a state, with how many batches they are of; each has entries for them then.
    pub(crate) fn compare_gathered(
        &self,
        waiting: &[(String, u64)],
        gathered: &Named,
        mismatch: &mut Mismatch,
    ) -> Result<Vec<(usize, u64)>, Error> {
        let (mut places, mut known) = (Vec::new(), HashSet::new());
        for (loss, batches) in waiting {
            let steps = self.program.steps();
            let Some(place) = steps.iter().position(|step| step.loss.as_deref() == Some(loss)) else {
                mismatch.unexpected.push(format!("gradients of loss {loss}"));
                continue;
            };
            if !(1..=PARTS_OF_STEP).contains(batches) {
                mismatch.unexpected.push(format!("gradients of {batches} batches"));
            }
            let parts = self.program.parts(loss)?;
            for storage in &parts.gathered[parts.own..] {
                match of_name(gathered, &storage.name) {
                    None => mismatch.missing.push(storage.name.to_string()),
                    Some(tensor) => mismatch.misshaped.extend(misshaped(storage, tensor)),
                }
                known.insert(storage.name.to_string());
            }
            places.push((place, *batches));
        }
        let unknown = gathered.iter().filter(|(name, _)| !known.contains(name));
        mismatch.unexpected.extend(unknown.map(|(name, _)| name.clone()));
        Ok(places)
    }

    /// Takes the gradients that wait; what they are of has been compared.
    pub(crate) fn take_gathered(&mut self, places: &[(usize, u64)], gathered: &Named) -> Result<(), Error> {
        let first = self.program.storages().len();
        for &(place, batches) in places {
            let parts = self.parts(FIRST_STEP + place)?;
            for (at, storage) in parts.gathered.iter().enumerate().skip(parts.own) {
                if let Some(tensor) = of_name(gathered, &storage.name) {
                    self.storages[first + at].set_elements(tensor.view().elements);
                }
            }
            self.waiting[place] = batches;
        }
        Ok(())
    }
}

fn of_name<'a>(tensors: &'a Named, name: &str) -> Option<&'a Tensor> {
    tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor)
}

/// A storage's name, and what it holds.
pub(crate) fn named(storage: &Storage, buffer: &Buffer) -> Option<(String, Tensor)> {
    let tensor = buffer.tensor(storage.ty.element, storage_shape(storage)).ok()?;
    Some((storage.name.to_string(), tensor))
}

/// The name, what the model takes and what was given, where they differ.
pub(crate) fn misshaped(storage: &Storage, tensor: &Tensor) -> Option<(String, String, String)> {
    let shape = storage_shape(storage);
    if storage.ty.element == tensor.element() && shape == tensor.shape() {
        return None;
    }
    let told = |element, shape: &[usize]| format!("{element}{shape:?}");
    let (expected, found) = (told(storage.ty.element, &shape), told(tensor.element(), tensor.shape()));
    Some((storage.name.to_string(), expected, found))
}
