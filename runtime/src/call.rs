//! The call into native code: the only place where pointers to a model's memory are made.
//!
//! In: buffers, bound inputs, sizes. Out: which step stopped the call, if any.
//!
//! Must hold, and is checked or ensured in `crate::bind`, `crate::prepare`, `crate::run` and [`crate::epoch`]:
//! - every storage and the arena are as large as the entry says for these sizes, and 64-byte aligned; the arena is borrowed mutably, and
//!   so are the storages where the entry updates any;
//! - every input was checked against its slot and is still borrowed by the caller;
//! - every output's memory is as large as its elements need;
//! - `rows` has one row number for each row of each step, each below the number of rows of every looked-up input;
//! - `losses` has one element for each step.

use crate::bind::Slot;
use crate::code::Function;
use crate::convert::{convert, converts, first_misfit, misfit, refused};
use crate::error::Error;
use crate::given::Given;
use crate::marks::{self, Marks};
use crate::pool::{self, Pool};
use crate::storage::Buffer;
use downhill_codegen::abi::{Context, InputBinding};
use std::ops::Deref;

/// The memory that a call needs; kept from call to call so that none allocates.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) given: Vec<Option<Given>>,
    pub(crate) sizes: Vec<i64>,
    pub(crate) inputs: Vec<InputBinding>,
    pub(crate) outputs: Vec<*mut u8>,
    storages: Vec<*mut u8>,
    /// What native code does not read as it was given, as it reads it, by slot.
    converted: Vec<Vec<u32>>,
}

// SAFETY: every call makes the pointers of a frame again and never read after it.
unsafe impl Send for Frame {}

/// Why a call ended early: something in a step was infinite or NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Which step of the call.
    pub(crate) step: usize,
    /// Whether it had changed the storages: only their new values showed it.
    pub(crate) updated: bool,
}

/// A model's parameters and states.
pub(crate) enum Storages<'m> {
    /// Shared with other callers: for entries that read them.
    Read(&'m [Buffer]),
    /// For entries that change them too.
    Write(&'m mut [Buffer]),
}

impl Storages<'_> {
    /// Where one begins. Of those that are only read, it may only be read from.
    fn pointer(&mut self, index: usize) -> *mut u8 {
        match self {
            Storages::Read(buffers) => buffers[index].as_ptr().cast_mut(),
            Storages::Write(buffers) => buffers[index].as_mut_ptr(),
        }
    }

    /// Gives them the contents they had before.
    pub(crate) fn put_back(&mut self, saved: Vec<Buffer>) {
        if let Storages::Write(buffers) = self {
            buffers.iter_mut().zip(saved).for_each(|(buffer, saved)| *buffer = saved);
        }
    }
}

impl Deref for Storages<'_> {
    type Target = [Buffer];

    fn deref(&self) -> &[Buffer] {
        match self {
            Storages::Read(buffers) => buffers,
            Storages::Write(buffers) => buffers,
        }
    }
}

/// The arguments of a call.
pub(crate) struct Work<'a, 'm> {
    pub(crate) function: &'a Function,
    /// All storages of the model, and which of them the entry uses.
    pub(crate) storages: (&'a mut Storages<'m>, &'a [usize]),
    pub(crate) arena: &'a mut Buffer,
    pub(crate) offsets: &'a [i64],
    pub(crate) numbers: &'a [i64],
    pub(crate) rows: &'a [u32],
    /// A key for each of the entry's random streams, and the number of the first step.
    pub(crate) random: (&'a [[u32; 2]], u64),
    pub(crate) losses: &'a mut [f32],
    pub(crate) steps: usize,
    /// The threads that share large kernels with this one.
    pub(crate) pool: Option<&'a Pool>,
    /// What code with marks writes its times to; other code does not use it.
    pub(crate) marks: Option<&'a mut Marks>,
}

impl Frame {
    /// Copies what native code does not read as it was given: its masks are words of 0 or 1, its floats f32, its integers of 32 bits.
    /// Only the elements of `rows`, where they are said, must fit.
    ///
    /// # Safety
    /// What was given is still borrowed.
    pub(crate) unsafe fn convert(&mut self, slots: &[Slot], rows: Option<&[u32]>) -> Result<(), Error> {
        let is_foreign = |given: &Given, slot: &Slot| slot.read && !given.is_native(slot.element);
        let mut all = self.given.iter().zip(slots);
        if !all.any(|(given, slot)| given.as_ref().is_some_and(|given| is_foreign(given, slot))) {
            return Ok(());
        }

        self.converted.resize(self.given.len().max(self.converted.len()), Vec::new());
        for ((given, words), slot) in self.given.iter_mut().zip(&mut self.converted).zip(slots) {
            let Some(given) = given.as_mut().filter(|given| is_foreign(given, slot)) else { continue };
            // SAFETY: as promised; each is converted once.
            let elements = unsafe { given.elements() };
            if !converts(&elements, slot.element) {
                return Err(refused(&slot.name, &elements, slot.element));
            }
            let misfit_at = match rows.zip(given.row_len()) {
                None => first_misfit(elements, slot.element, 0..given.whole),
                Some((rows, row)) => {
                    let positions = rows.iter().flat_map(|&at| (at as usize * row..).take(row));
                    first_misfit(elements, slot.element, positions)
                }
            };
            if let Some(at) = misfit_at {
                return Err(misfit(&slot.name, elements, slot.element, at));
            }
            convert(elements, slot.element, words);
            (given.base, given.element, given.width) = (words.as_ptr().cast(), slot.element, None);
        }
        Ok(())
    }

    /// Runs an entry. Gives the step that ended the call because something in it was not finite, if any.
    ///
    /// # Safety
    /// What the head of this file says must hold.
    pub(crate) unsafe fn call(&mut self, work: Work<'_, '_>) -> Option<Stop> {
        let (storages, used) = work.storages;
        self.storages.clear();
        self.storages.extend(used.iter().map(|&index| storages.pointer(index)));

        let mut context = Context {
            storages: self.storages.as_ptr(),
            inputs: self.inputs.as_ptr(),
            outputs: self.outputs.as_ptr(),
            arena: work.arena.as_mut_ptr(),
            offsets: work.offsets.as_ptr(),
            numbers: work.numbers.as_ptr(),
            rows: work.rows.as_ptr(),
            keys: work.random.0.as_ptr(),
            first_step: work.random.1,
            losses: work.losses.as_mut_ptr(),
            steps: work.steps as i64,
            stopped: -1,
            updated: 0,
            alarm: 0,
            pool: work.pool.map_or(std::ptr::null(), |pool| std::ptr::from_ref(pool).cast()),
            divide: pool::divide,
            marks: work.marks.map_or(std::ptr::null_mut(), |marks| std::ptr::from_mut(marks).cast()),
            mark: Some(marks::mark),
        };

        // SAFETY: the caller's promise; all pointers come from borrows that last until this function returns.
        unsafe { work.function.call(&mut context) };
        let step = usize::try_from(context.stopped).ok()?;
        Some(Stop { step, updated: context.updated != 0 })
    }
}
