//! The calls that an entry's function is made of: which kernels, with which arguments, shared by threads or not.
//!
//! In: the functions of a variant, lowered. Out: [`Call`]s, of which a [`Launch`] is made.

use crate::code::{FunctionId, Functions};
use crate::emit::kernel::{Number, Pointer};
use crate::emit::parts::Part;
use crate::entry::task::{RANGE, Tasks};
use crate::error::Error;
use crate::ir::kernel::Buffer;
use crate::plan::arena::Arena;
use crate::schedule::divide::Division;
use downhill_graph::dim::Dim;
use std::fmt;

/// A kernel to call.
pub(crate) struct Call {
    pub(crate) function: FunctionId,
    /// What its arguments stand for.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) integers: Vec<Number>,
    /// How threads share it, if they do.
    pub(crate) shared: Option<Shared>,
}

impl Call {
    /// Words that the threads which share it are handed, if it is shared: see [`crate::entry::task`].
    pub(crate) fn table_words(&self) -> Option<usize> {
        let shared = self.shared.as_ref()?;
        let integers = self.integers.len() - RANGE as usize;
        Some(1 + self.pointers.len() + integers + shared.rooms.len())
    }
}

/// A kernel that threads share.
pub(crate) struct Shared {
    pub(crate) division: Division,
    /// What each of them calls: [`Tasks::function`].
    pub(crate) task: FunctionId,
    /// Pointers of which each thread has a room of its own, and how many bytes that is.
    pub(crate) rooms: Vec<(usize, Dim)>,
}

/// What the function is made of.
pub(crate) struct Launch<'a> {
    pub(crate) calls: &'a [Call],
    /// Whether there is a loss.
    pub(crate) loss: bool,
    /// How many calls come before those that write storages.
    pub(crate) guard: usize,
    /// Which inputs are looked up.
    pub(crate) looked_up: &'a dyn Fn(usize) -> bool,
    /// Random streams in the order of `Context::keys`.
    pub(crate) streams: &'a [u32],
    /// The batch in elements, when rows are looked up.
    pub(crate) batch: Option<Dim>,
    /// Whether each call is followed by one of [`crate::abi::Mark`].
    pub(crate) marked: bool,
}

impl fmt::Display for Call {
    /// `kernel3(input0, arena1; 128, batch), divided at multiples of 8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |all: Vec<String>| all.join(", ");
        let pointers = joined(self.pointers.iter().map(Pointer::to_string).collect());
        let integers = joined(self.integers.iter().map(Number::to_string).collect());
        write!(f, "function {}({pointers}; {integers})", self.function)?;
        match &self.shared {
            Some(shared) => write!(
                f,
                ", threads share {} at multiples of {}",
                shared.division.axis, shared.division.multiple
            ),
            None => Ok(()),
        }
    }
}

/// Calls of the parts of a variant, each with its function.
///
/// # Errors
/// What Cranelift reports of the functions that threads call.
pub(crate) fn calls(
    parts: Vec<Part>,
    lowered: &[FunctionId],
    arena: &Arena,
    tasks: &mut Tasks,
    functions: &mut Functions<'_>,
) -> Result<Vec<Call>, Error> {
    let threads = Dim::from(functions.target().thread_count());
    let mut call = |(part, &function): (Part, &FunctionId)| {
        let Part { pointers, integers, division, .. } = part;
        let shared = division.map(|division| {
            let rooms = rooms(&pointers, arena, &threads);
            let places = rooms.iter().map(|(place, _)| *place).collect();
            let task = tasks.function(functions, (pointers.len() as u32, integers.len() as u32), places)?;
            Ok::<_, Error>(Shared { division, task, rooms })
        });
        Ok(Call { function, shared: shared.transpose()?, pointers, integers })
    };
    parts.into_iter().zip(lowered).map(&mut call).collect()
}

/// The pointers to scratch, of which each thread has its own piece, and how many bytes that is.
fn rooms(pointers: &[Pointer], arena: &Arena, threads: &Dim) -> Vec<(usize, Dim)> {
    let room = |(place, pointer): (usize, &Pointer)| match pointer {
        Pointer::Into(Buffer::Scratch(n), _) => Some((place, arena.sizes[*n].divide(threads))),
        _ => None,
    };
    pointers.iter().enumerate().filter_map(room).collect()
}
