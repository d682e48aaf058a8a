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
    /// What it has depends on what is not known yet, so that uses cannot be compared.
    open: bool,
}

/// The storage that a declaration means.
pub(crate) enum Meant {
    /// A new one.
    New,
    /// One that a use in progress has already.
    Known(usize),
    /// One that a use in progress lacks: its first use declared fewer.
    Missing,
}

#[derive(Debug)]
pub(crate) struct Use {
    instance: usize,
    /// The next storage to give out; `None` on the first use.
    next: Option<usize>,
}

impl Instances {
    /// A new instance, whose storages are named at `site`.
    pub(crate) fn declare(&mut self, site: Site) -> Instance {
        self.all.push(Recorded { site, storages: Vec::new(), complete: false, open: false });
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

    /// The storage that the next declaration means.
    pub(crate) fn replay(&mut self) -> Meant {
        let Some(position) = self.open.iter().rposition(|using| using.next.is_some()) else {
            return Meant::New;
        };
        let using = &mut self.open[position];
        let recorded = &self.all[using.instance];
        let (Some(next), false) = (using.next.as_mut(), recorded.open) else { return Meant::New };
        let Some(&storage) = recorded.storages.get(*next) else { return Meant::Missing };
        *next += 1;
        self.record_above(position + 1, storage);
        Meant::Known(storage)
    }

    /// Leaves all uses in progress for a while: what is declared meanwhile is no part of them.
    pub(crate) fn suspend(&mut self) -> Vec<Use> {
        std::mem::take(&mut self.open)
    }

    /// Goes on with what [`Instances::suspend`] gave. After something was declared the instances have what nobody knows.
    pub(crate) fn resume(&mut self, uses: Vec<Use>, declared: bool) {
        for using in uses.iter().filter(|_| declared) {
            self.all[using.instance].open = true;
        }
        self.open = uses;
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
