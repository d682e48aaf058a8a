//! Code for sizes that repeat: when it is made, and how much of it is kept.
//!
//! In: sizes that have been run by generic code for a while. Out: the code of a size, made by whoever asks first.
//!
//! Must hold:
//! - one caller at a time makes code for an entry; others go on with the code they have, and none waits for it;
//! - at most [`Specialize::MOST`] sizes of an entry keep such code: the least recently used makes way, one that no model is about to
//!   run before one that is;
//! - code that made way is freed when the last model that runs it has turned to another size;
//! - a size whose code cannot be made is not tried again.
//!
//! # Decisions
//!
//! - A variant of a small network takes 1 to 6 ms to compile. For steps of 784-512-512-10 with 128 rows it pays after 4, for those of
//!   784-128-10 after about 100, for those of 2-50-1 with one row after 20,000 (Zen 4). [`Specialize::CALLS`] calls tell a loop from a few
//!   calls by hand: fewer gain little where steps are long, and cost a short loop over a tiny network.
//! - Each variant that makes way doubles the calls that the next one takes. Sizes without end, as in a service whose batches are as large as
//!   its queue is long, would else be compiled for all the time. Now n calls compile at most `MOST + log2(n / CALLS)` variants.

use crate::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Which sizes have code of their own. All code of a network gives the same bits; code that was made for one size is faster.
///
/// A size is the value of every symbol that the data of a call decides: the batch, and the length of a sequence where that is a
/// symbol too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Specialize {
    /// None: one generic code runs all of them. To name batch sizes besides is an error.
    Never,
    /// Those that were named when the network was built. `step`, `forward` and `epoch` never compile then, which is what a thread wants
    /// that must not wait; of gradients and profiles, the first call compiles all the same.
    Named,
    /// Those that were named, and those that repeat. `epoch` makes code for its batch at the first use; for the smaller batch at its end, and
    /// in `step`, `forward` and `gradients`, a size has code made when one model has called an entry [`Specialize::CALLS`] times with it,
    /// and calls again. The call during which it is made takes some milliseconds longer. It is made for that entry alone, once for all models
    /// of a program, and an entry keeps code for [`Specialize::MOST`] sizes: the least recently used makes way. From then on each
    /// that makes way doubles the number of calls, and steps of an epoch, after which a size has code made. A profile, which runs a size
    /// many times, has it made at once.
    ///
    /// Calls that are refused do not count, and sizes of 0 have none made. Where code cannot be made, for lack of memory say, generic code goes on.
    #[default]
    Automatic,
}

impl Specialize {
    /// Calls of an entry with one size that generic code runs before the size has code of its own.
    pub const CALLS: u32 = 64;

    /// Sizes for which an entry keeps code that was made because they repeat.
    pub const MOST: usize = 8;
}

/// What came of asking for a size's own code.
#[derive(Debug)]
pub(crate) enum Obtained<C> {
    /// It is there.
    Code(Arc<C>),
    /// Somebody is making code for the entry.
    Busy,
    /// There will be none.
    Never,
}

/// The code that an entry has for sizes that repeat.
#[derive(Debug)]
pub(crate) struct OwnCode<C> {
    /// Held for moments.
    kept: Mutex<Kept<C>>,
    /// Held by whoever makes code.
    making: Mutex<()>,
}

#[derive(Debug)]
struct Kept<C> {
    /// By size, the least recently used first.
    code: Vec<(Vec<i64>, Arc<C>)>,
    /// Sizes whose code could not be made.
    failed: Vec<Vec<i64>>,
    /// How many have made way.
    replaced: u32,
}

impl<C> Default for OwnCode<C> {
    fn default() -> OwnCode<C> {
        let kept = Kept { code: Vec::new(), failed: Vec::new(), replaced: 0 };
        OwnCode { kept: Mutex::new(kept), making: Mutex::default() }
    }
}

impl<C> OwnCode<C> {
    /// How many calls of a size generic code runs before the size may ask for its own.
    pub(crate) fn calls(&self) -> u32 {
        Specialize::CALLS.saturating_mul(1 << self.kept().replaced.min(24))
    }

    /// The code of a size, which is used from here on.
    pub(crate) fn find(&self, sizes: &[i64]) -> Option<Arc<C>> {
        let mut kept = self.kept();
        let at = kept.code.iter().position(|(known, _)| known == sizes)?;
        Some(kept.use_at(at))
    }

    /// Says that a model turns to this code again.
    pub(crate) fn touch(&self, code: &Arc<C>) {
        // Who is in the way for a moment is no reason to wait.
        if let Ok(mut kept) = self.kept.try_lock()
            && let Some(at) = kept.code.iter().position(|(_, known)| Arc::ptr_eq(known, code))
        {
            kept.use_at(at);
        }
    }

    /// The code of a size; `make` makes it, if nobody has and nobody makes any.
    pub(crate) fn obtain(&self, sizes: &[i64], make: impl FnOnce() -> Result<C, Error>) -> Obtained<C> {
        let making = self.making.try_lock();
        if let Some(code) = self.find(sizes) {
            return Obtained::Code(code);
        }
        match making {
            Ok(_) if self.kept().refuses(sizes) => Obtained::Never,
            Ok(_) => match make() {
                Ok(code) => Obtained::Code(self.keep(sizes, code)),
                Err(_) => {
                    self.kept().failed.push(sizes.to_vec());
                    Obtained::Never
                }
            },
            Err(TryLockError::WouldBlock) => Obtained::Busy,
            // Whoever made code panicked.
            Err(TryLockError::Poisoned(_)) => Obtained::Never,
        }
    }

    /// All of it, in the order of sizes.
    pub(crate) fn all(&self) -> Vec<Arc<C>> {
        let mut all = self.kept().code.clone();
        all.sort_by(|(first, _), (second, _)| first.cmp(second));
        all.into_iter().map(|(_, code)| code).collect()
    }

    fn keep(&self, sizes: &[i64], code: C) -> Arc<C> {
        let code = Arc::new(code);
        let mut kept = self.kept();
        let replaced = if kept.code.len() < Specialize::MOST { None } else { Some(kept.make_way()) };
        kept.code.push((sizes.to_vec(), code.clone()));
        drop(kept);
        // Freeing its memory takes longer than anybody should hold the lock.
        drop(replaced);
        code
    }

    fn kept(&self) -> MutexGuard<'_, Kept<C>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Kept<C> {
    fn use_at(&mut self, at: usize) -> Arc<C> {
        self.code[at..].rotate_left(1);
        self.code[self.code.len() - 1].1.clone()
    }

    /// Whether no code is made for this size any more: it failed before, or so many have that more will.
    fn refuses(&self, sizes: &[i64]) -> bool {
        self.failed.len() >= Specialize::MOST || self.failed.iter().any(|known| known == sizes)
    }

    fn make_way(&mut self) -> (Vec<i64>, Arc<C>) {
        self.replaced = self.replaced.saturating_add(1);
        let idle = self.code.iter().position(|(_, code)| Arc::strong_count(code) == 1);
        self.code.remove(idle.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(own: &OwnCode<i64>, size: i64) -> Arc<i64> {
        match own.obtain(&[size], || Ok(size)) {
            Obtained::Code(code) => code,
            other => panic!("{other:?}"),
        }
    }

    fn sizes(own: &OwnCode<i64>) -> Vec<i64> {
        own.all().iter().map(|code| **code).collect()
    }

    fn fails() -> Result<i64, Error> {
        Err(Error::usage("no code", "do without"))
    }

    #[test]
    fn the_least_recently_used_makes_way_and_is_freed() {
        let own = OwnCode::default();
        let first = Arc::downgrade(&made(&own, 1));
        (2..=8).for_each(|size| drop(made(&own, size)));
        assert_eq!((sizes(&own), own.calls()), ((1..=8).collect(), Specialize::CALLS));
        let second = own.find(&[2]).expect("kept");
        own.touch(&own.find(&[1]).expect("kept"));
        own.touch(&second);
        drop(second);
        made(&own, 9);
        assert_eq!((sizes(&own), own.calls()), (vec![1, 2, 4, 5, 6, 7, 8, 9], 2 * Specialize::CALLS));
        (10..=17).for_each(|size| drop(made(&own, size)));
        assert!(first.upgrade().is_none(), "nobody runs it");
        assert_eq!(own.calls(), Specialize::CALLS << 9);
    }

    #[test]
    fn what_is_run_makes_way_last() {
        let own = OwnCode::default();
        let running: Vec<_> = (1..=7).map(|size| made(&own, size)).collect();
        made(&own, 8);
        made(&own, 9);
        assert_eq!(sizes(&own), [1, 2, 3, 4, 5, 6, 7, 9]);
        let last = made(&own, 10);
        made(&own, 11);
        assert_eq!(sizes(&own), [2, 3, 4, 5, 6, 7, 10, 11], "all of them run but the new one");
        assert_eq!((*running[0], *last), (1, 10));
    }

    #[test]
    fn what_failed_is_not_tried_again() {
        let own = OwnCode::default();
        assert!(matches!(own.obtain(&[3], fails), Obtained::Never));
        assert!(matches!(own.obtain(&[3], || panic!("tried again")), Obtained::Never));
        made(&own, 4);
        for size in 10..20 {
            assert!(matches!(own.obtain(&[size], fails), Obtained::Never));
        }
        assert!(matches!(own.obtain(&[5], || panic!("all fail")), Obtained::Never));
        assert_eq!(*own.find(&[4]).expect("kept"), 4);
    }

    #[test]
    fn nobody_waits_for_code_that_is_made() {
        let own = OwnCode::default();
        made(&own, 2);
        let slow = own.obtain(&[1], || {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let known = own.obtain(&[2], || panic!("made twice"));
                    let asked = [1, 3].map(|size| own.obtain(&[size], || panic!("at once")));
                    matches!((known, asked), (Obtained::Code(_), [Obtained::Busy, Obtained::Busy]))
                });
                assert!(other.join().expect("no panic"));
            });
            Ok(1)
        });
        assert!(matches!(slow, Obtained::Code(code) if *code == 1));
    }
}
