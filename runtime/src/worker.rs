//! A caller at work: entries of a model, run in a workspace.
//!
//! In: a model's parameters and states, to read or to change; a workspace of the caller's own. Out: [`Worker`], which finds sizes
//! (`sizes`), runs entries (`launch`) and says why a step was stopped (`diagnose`).

use crate::call::Storages;
use crate::compiled::CompiledEntry;
use crate::error::Error;
use crate::program::Program;
use crate::runnable::Runnable;
use crate::workspace::Workspace;
use std::sync::Arc;

/// The position of `forward` among a workspace's entries.
pub(crate) const FORWARD: usize = 0;
/// The position of the first step: there is one for each loss that has an optimizer.
pub(crate) const FIRST_STEP: usize = 1;

/// A caller at work.
pub(crate) struct Worker<'m> {
    pub(crate) program: &'m Arc<Program>,
    pub(crate) storages: Storages<'m>,
    pub(crate) work: &'m mut Workspace,
    /// Of the model's random numbers.
    pub(crate) seed: u64,
    /// Training steps that the model has made, those of this caller included.
    pub(crate) steps_made: u64,
    /// The step whose random numbers gradients draw, if one was said.
    pub(crate) random_step: Option<u64>,
    /// The batches gathered for the step to come, while another one is; nothing while whole steps are made.
    pub(crate) part: Option<u64>,
    /// The learning rate of each step.
    pub(crate) rates: &'m [f32],
}

/// Numbers of batches that are gathered begin here, above those of steps; a step has room for so many of them.
const PARTS: u64 = 1 << 63;
pub(crate) const PARTS_OF_STEP: u64 = 1 << 24;

impl Worker<'_> {
    /// Whose random numbers training draws next: the number of the step, or one that the batch of a step in parts has to itself.
    pub(crate) fn drawn(&self) -> u64 {
        match self.part {
            None => self.steps_made,
            Some(part) => PARTS.wrapping_add(self.steps_made.wrapping_mul(PARTS_OF_STEP)).wrapping_add(part),
        }
    }

    /// Counts what native code has made: steps, or batches of one.
    pub(crate) fn count_made(&mut self, made: u64) {
        match &mut self.part {
            None => self.steps_made += made,
            Some(part) => *part += made,
        }
    }

    /// The position of an entry of gradients.
    pub(crate) fn gradients_entry(&mut self, loss: Option<&str>, by: &[&str]) -> Result<usize, Error> {
        let entry = self.program.gradients(self.program.loss_name(loss)?, by)?;
        Ok(self.entry_at(entry))
    }

    /// The position of an entry that was compiled on demand.
    pub(crate) fn entry_at(&mut self, entry: Arc<CompiledEntry>) -> usize {
        let known = self.work.entries.iter().position(|runnable| Arc::ptr_eq(&runnable.entry, &entry));
        known.unwrap_or_else(|| {
            self.work.entries.push(Runnable::new(entry, self.seed));
            self.work.entries.len() - 1
        })
    }
}
