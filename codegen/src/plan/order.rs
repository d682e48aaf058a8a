//! The order of kernels.
//!
//! In: what each kernel reads and writes, in an order of evaluation. Out: the kernels one after another: of those that can run, the
//! first in the given order. Where none can run, a kernel whose new value takes a detour through the arena.
//!
//! Must hold: a kernel runs after those that make what it reads. If it writes a storage, it also runs after all others that read it, and
//! after the loss. Each kernel counts what it waits for, and the counts are kept up to date as others run: the time is linear in
//! the number of reads and writes.

use crate::ir::kernel::{Buffer, Kernel};
use downhill_graph::hash::Map;
use std::collections::{BTreeMap, BTreeSet};

/// What is to happen next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This kernel runs.
    Run(usize),
    /// None can run: this kernel must write its new value of this storage elsewhere, because another kernel still reads the storage, or
    /// because the loss is not known yet.
    Divert(usize, usize),
}

/// Kernels that have not run, and how many things each waits for.
pub(crate) struct Queue {
    kernels: Vec<Waiting>,
    ready: BTreeSet<usize>,
    /// Who writes each storage.
    writers: Map<usize, BTreeSet<usize>>,
    /// How many waiting kernels read each storage.
    readers: Map<usize, usize>,
    /// How many waiting kernels make a loss.
    losses: usize,
    /// How many kernels have not run.
    left: usize,
    /// All kernels before this one have run, or need no detour.
    contested: usize,
}

/// A kernel that waits.
#[derive(Default)]
struct Waiting {
    reads: BTreeSet<usize>,
    writes: BTreeSet<usize>,
    makes_loss: bool,
    /// Kernels that read what it makes.
    feeds: Vec<usize>,
    /// How many things it waits for: makers of what it reads, storages that others read, the loss.
    behind: usize,
}

/// What a kernel reads and writes.
pub(crate) fn touched(kernel: &Kernel) -> (BTreeSet<Buffer>, BTreeSet<Buffer>) {
    let (writes, reads): (Vec<_>, Vec<_>) = kernel.accesses().into_iter().partition(|(_, _, store)| *store);
    (reads.iter().map(|a| a.0).collect(), writes.iter().map(|a| a.0).collect())
}

/// The number of a storage; `None` for other buffers.
pub(crate) fn storage(buffer: Buffer) -> Option<usize> {
    if let Buffer::Storage(n) = buffer { Some(n) } else { None }
}

impl Queue {
    /// All steps wait, given what each reads and writes.
    pub(crate) fn new(steps: impl Iterator<Item = (BTreeSet<Buffer>, BTreeSet<Buffer>)>) -> Queue {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut makers: BTreeMap<Buffer, Vec<usize>> = BTreeMap::new();

        for (number, (reads, writes)) in steps.enumerate() {
            // What earlier steps make. What a loop carries is written twice: the copy that it begins with comes first.
            let makers_of = |buffer: &Buffer| makers.get(buffer).cloned().unwrap_or_default();
            let first: BTreeSet<usize> = reads.union(&writes).flat_map(makers_of).collect();
            first.iter().for_each(|&maker| waiting[maker].feeds.push(number));
            for buffer in writes.iter().filter(|buffer| storage(**buffer).is_none()) {
                makers.entry(*buffer).or_default().push(number);
            }

            waiting.push(Waiting {
                reads: reads.into_iter().filter_map(storage).collect(),
                makes_loss: writes.contains(&Buffer::Loss),
                writes: writes.into_iter().filter_map(storage).collect(),
                feeds: Vec::new(),
                behind: first.len(),
            });
        }

        Queue::counted(waiting)
    }

    fn counted(kernels: Vec<Waiting>) -> Queue {
        let mut queue = Queue {
            ready: BTreeSet::new(),
            writers: Map::default(),
            readers: Map::default(),
            losses: kernels.iter().filter(|kernel| kernel.makes_loss).count(),
            left: kernels.len(),
            contested: 0,
            kernels,
        };
        for (number, kernel) in queue.kernels.iter().enumerate() {
            kernel.reads.iter().for_each(|&n| *queue.readers.entry(n).or_default() += 1);
            kernel.writes.iter().for_each(|&n| _ = queue.writers.entry(n).or_default().insert(number));
        }

        for number in 0..queue.kernels.len() {
            let read = queue.kernels[number].writes.iter().filter(|&&n| queue.is_read(number, n)).count();
            queue.kernels[number].behind += read + usize::from(queue.waits_for_loss(number));
            if queue.kernels[number].behind == 0 {
                queue.ready.insert(number);
            }
        }
        queue
    }

    /// Whether another waiting kernel reads this storage.
    fn is_read(&self, kernel: usize, storage: usize) -> bool {
        let own = usize::from(self.kernels[kernel].reads.contains(&storage));
        self.readers.get(&storage).is_some_and(|&readers| readers > own)
    }

    /// Whether it writes a storage while another waiting kernel makes a loss.
    fn waits_for_loss(&self, kernel: usize) -> bool {
        let kernel = &self.kernels[kernel];
        !kernel.writes.is_empty() && self.losses > usize::from(kernel.makes_loss)
    }

    /// What is to happen next; `None` when all have run, or when kernels wait for each other in a cycle.
    pub(crate) fn next(&mut self) -> Option<Next> {
        if let Some(kernel) = self.ready.pop_first() {
            self.finish(kernel);
            return Some(Next::Run(kernel));
        }
        if self.left == 0 {
            return None;
        }

        // None can run: the first kernel that waits for a reader or for the loss takes a detour.
        while self.contested < self.kernels.len() {
            let kernel = self.contested;
            let loss = self.waits_for_loss(kernel);
            let found = self.kernels[kernel].writes.iter().find(|&&n| loss || self.is_read(kernel, n));
            if let Some(&storage) = found {
                self.divert(kernel, storage);
                return Some(Next::Divert(kernel, storage));
            }
            self.contested += 1;
        }
        None
    }

    /// How many have not run.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    fn finish(&mut self, kernel: usize) {
        let Waiting { reads, writes, makes_loss, feeds, .. } = std::mem::take(&mut self.kernels[kernel]);
        self.left -= 1;
        for storage in writes {
            self.writers.entry(storage).or_default().remove(&kernel);
        }

        feeds.into_iter().for_each(|fed| self.release(fed));

        for storage in reads {
            let readers = self.readers.entry(storage).or_default();
            *readers -= 1;
            let readers = *readers;
            for writer in self.writers.get(&storage).cloned().unwrap_or_default() {
                // The writer itself may be the last reader.
                if readers == usize::from(self.kernels[writer].reads.contains(&storage)) {
                    self.release(writer);
                }
            }
        }

        if makes_loss {
            self.losses -= 1;
            let writes = |kernel: &Waiting| !kernel.writes.is_empty();
            for writer in 0..self.kernels.len() {
                let own = usize::from(self.kernels[writer].makes_loss);
                if writes(&self.kernels[writer]) && self.losses == own {
                    self.release(writer);
                }
            }
        }
    }

    fn divert(&mut self, kernel: usize, storage: usize) {
        let (was_read, waited) = (self.is_read(kernel, storage), self.waits_for_loss(kernel));
        self.kernels[kernel].writes.remove(&storage);
        self.writers.entry(storage).or_default().remove(&kernel);

        if was_read {
            self.release(kernel);
        }
        if waited && !self.waits_for_loss(kernel) {
            self.release(kernel);
        }
    }

    /// The kernel waits for one thing less.
    fn release(&mut self, kernel: usize) {
        self.kernels[kernel].behind -= 1;
        if self.kernels[kernel].behind == 0 {
            self.ready.insert(kernel);
        }
    }
}
