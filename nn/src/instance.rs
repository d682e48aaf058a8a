//! Shared instances: one set of storages, used several times.
//!
//! The first use of an instance declares its storages and records them; every later use is given the same ones, in the order of
//! the first. Uses nest: an instance used inside another one is declared anew at each use of the outer one, and gets its storages
//! from what the outer one recorded.

use crate::naming::Site;

/// A set of storages that is shared by all uses; made by [`crate::builder::Builder::instance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance(usize);

/// All instances, and which are in use.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    all: Vec<Recorded>,
    open: Vec<Use>,
}

#[derive(Debug)]
struct Recorded {
    site: Site,
    storages: Vec<usize>,
    complete: bool,
}

#[derive(Debug)]
struct Use {
    instance: usize,
    /// The next storage to give out; `None` on the first use.
    next: Option<usize>,
}

impl Instances {
    /// A new instance, whose storages are named at `site`.
    pub(crate) fn declare(&mut self, site: Site) -> Instance {
        self.all.push(Recorded { site, storages: Vec::new(), complete: false });
        Instance(self.all.len() - 1)
    }

    /// Where its storages are named.
    pub(crate) fn site(&self, instance: Instance) -> Site {
        self.all[instance.0].site.clone()
    }

    /// Its storages, known after the first use.
    pub(crate) fn storages(&self, instance: Instance) -> Vec<usize> {
        self.all[instance.0].storages.clone()
    }

    pub(crate) fn enter(&mut self, instance: Instance) {
        let next = self.all[instance.0].complete.then_some(0);
        self.open.push(Use { instance: instance.0, next });
    }

    pub(crate) fn leave(&mut self) {
        if let Some(left) = self.open.pop() {
            self.all[left.instance].complete = true;
        }
    }

    /// The storage that the next declaration means, when a use in progress has it already.
    pub(crate) fn replay(&mut self) -> Option<usize> {
        let position = self.open.iter().rposition(|using| using.next.is_some())?;
        let using = &mut self.open[position];
        let next = using.next.as_mut()?;
        let storage = self.all[using.instance].storages.get(*next).copied()?;
        *next += 1;
        self.record_above(position + 1, storage);
        Some(storage)
    }

    /// Notes a new storage in every use in progress.
    pub(crate) fn record(&mut self, storage: usize) {
        self.record_above(0, storage);
    }

    fn record_above(&mut self, position: usize, storage: usize) {
        for using in &self.open[position..] {
            self.all[using.instance].storages.push(storage);
        }
    }
}
