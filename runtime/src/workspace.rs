//! The memory that callers work in, apart from what a model learns.
//!
//! In: a program. Out: a [`Workspace`] for each caller that is at work at the same time.
//!
//! Must hold: no two callers are ever in one workspace; one caller after the other is in the same one, so that sizes stay prepared and no
//! call allocates.

use crate::call::Frame;
use crate::pack::Packed;
use crate::program::Program;
use crate::runnable::Runnable;
use crate::storage::Buffer;
use std::fmt;
use std::sync::{Mutex, PoisonError, TryLockError};

/// What one caller needs to run entries: prepared sizes, intermediate values, the frame of a call.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) arena: Buffer,
    /// 0, 1, 2, …: the rows of a single step.
    pub(crate) identity: Vec<u32>,
    pub(crate) frame: Frame,
    /// Rows of an epoch that lay scattered.
    pub(crate) packed: Packed,
    /// `forward`, a step for each loss that has an optimizer, then what was compiled on demand.
    pub(crate) entries: Vec<Runnable>,
}

impl Workspace {
    pub(crate) fn new(program: &Program, seed: u64) -> Workspace {
        Workspace {
            entries: program.entries().map(|entry| Runnable::new(entry, seed)).collect(),
            arena: Buffer::default(),
            identity: Vec::new(),
            frame: Frame::default(),
            packed: Packed::default(),
        }
    }
}

/// The workspaces of a model: one that is always used first, and as many more as there ever were callers at the same time.
pub(crate) struct Workspaces {
    first: Mutex<Workspace>,
    more: Mutex<Vec<Workspace>>,
}

impl Workspaces {
    pub(crate) fn new(program: &Program, seed: u64) -> Workspaces {
        Workspaces { first: Mutex::new(Workspace::new(program, seed)), more: Mutex::default() }
    }

    /// The one of a caller who has the model alone.
    pub(crate) fn own(&mut self) -> &mut Workspace {
        self.first.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them draw the random numbers of this seed from here on.
    pub(crate) fn set_seed(&mut self, seed: u64) {
        let more = self.more.get_mut().unwrap_or_else(PoisonError::into_inner);
        let first = self.first.get_mut().unwrap_or_else(PoisonError::into_inner);
        let runnables = more.iter_mut().chain([first]).flat_map(|workspace| &mut workspace.entries);
        runnables.for_each(|runnable| runnable.set_seed(seed));
    }

    /// Lends one to a caller who shares the model; `make` makes another where all are in use.
    pub(crate) fn lend<R>(
        &self,
        make: impl FnOnce() -> Workspace,
        body: impl FnOnce(&mut Workspace) -> R,
    ) -> R {
        // A workspace in which a caller panicked is as good as new: every call makes what it reads.
        match self.first.try_lock() {
            Ok(mut first) => return body(&mut first),
            Err(TryLockError::Poisoned(poisoned)) => return body(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        let spare = self.more.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = spare.unwrap_or_else(make);
        let result = body(&mut workspace);
        self.more.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        result
    }
}

impl fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspaces").finish_non_exhaustive()
    }
}
