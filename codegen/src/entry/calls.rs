//! What an entry's function calls.
//!
//! In: the functions of a variant, lowered, and what their arguments stand for. Out: [`Call`]s, and where there are many, [`Section`]s.
//! Calls that differ in the numbers of their buffers alone share a *case*. A section has code for each of its cases, and a table that
//! holds for each call its case and its buffers. A network of a thousand equal layers has the cases of one layer.
//!
//! Must hold: calls of one case agree in the kind of memory of each buffer, in which pointers lead into the same buffer, and in which
//! inputs are looked up.
//!
//! # Decisions
//!
//! - A step of more than 16 calls goes through a table, which is a part of `Context::numbers`. With code for every single call,
//!   calls were most of the code of a deep network and a third of the time to build it. Few values live across calls, because the
//!   register allocator compares each of them with every call.

use crate::code::{FunctionId, Functions};
use crate::emit::kernel::{Number, Pointer};
use crate::emit::parts::Part;
use crate::entry::task::{RANGE, Tasks};
use crate::error::Error;
use crate::ir::kernel::Buffer;
use crate::plan::arena::Arena;
use crate::plan::step::Repeat;
use crate::schedule::divide::Division;
use crate::schedule::form::{number, numbered};
use downhill_graph::dim::Dim;
use downhill_graph::hash::Map;
use std::fmt;
use std::ops::Range;

/// A kernel to call.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) function: FunctionId,
    /// What its arguments stand for.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) integers: Vec<Number>,
    /// How threads share it, if they do.
    pub(crate) shared: Option<Shared>,
}

impl Call {
    /// Words of the argument table for threads, if they share it: see [`crate::entry::task`].
    pub(crate) fn table_words(&self) -> Option<usize> {
        let shared = self.shared.as_ref()?;
        let integers = self.integers.len() - RANGE as usize;
        Some(1 + self.pointers.len() + integers + shared.scratch.len())
    }

    /// The numbered buffers that its arguments name, each once, in the order in which they occur.
    pub(crate) fn buffers(&self) -> Vec<Buffer> {
        let pointed = self.pointers.iter().filter_map(|pointer| match pointer {
            Pointer::Into(buffer, _) => number(*buffer).map(|_| *buffer),
            Pointer::Rows | Pointer::Alarm => None,
        });
        let strides = self.integers.iter().filter_map(|number| match number {
            Number::RowStride(input) => Some(Buffer::Input(*input)),
            _ => None,
        });

        let mut buffers: Vec<Buffer> = Vec::with_capacity(self.pointers.len());
        for buffer in pointed.chain(strides) {
            if !buffers.contains(&buffer) {
                buffers.push(buffer);
            }
        }
        buffers
    }

    /// The call with its `buffers` numbered in their order: equal for all calls of one case.
    fn case(&self, buffers: &[Buffer]) -> Call {
        let index = |buffer: Buffer| buffers.iter().position(|known| *known == buffer).unwrap_or_default();

        let mut case = self.clone();
        for pointer in &mut case.pointers {
            if let Pointer::Into(buffer, _) = pointer {
                *buffer = numbered(*buffer, index(*buffer));
            }
        }

        for number in &mut case.integers {
            if let Number::RowStride(input) = number {
                *input = index(Buffer::Input(*input));
            }
        }
        case
    }
}

/// A kernel that threads share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    pub(crate) division: Division,
    /// The function that each thread calls: [`Tasks::function`].
    pub(crate) task: FunctionId,
    /// The pointers to scratch, of which each thread has a part of its own, and the bytes of that part.
    pub(crate) scratch: Vec<(usize, Dim)>,
}

/// What an entry's function is made of.
pub(crate) struct Launch<'a> {
    pub(crate) calls: &'a [Call],
    /// The loops around consecutive calls, inner ones first.
    pub(crate) repeats: &'a [Repeat],
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
            let scratch = scratch_pointers(&pointers, arena, &threads);
            let positions = scratch.iter().map(|(position, _)| *position).collect();
            let task =
                tasks.function(functions, (pointers.len() as u32, integers.len() as u32), positions)?;
            Ok::<_, Error>(Shared { division, task, scratch })
        });
        Ok(Call { function, shared: shared.transpose()?, pointers, integers })
    };

    parts.into_iter().zip(lowered).map(&mut call).collect()
}

/// The positions of pointers to scratch, of which each thread has a part of its own, and the bytes of that part.
fn scratch_pointers(pointers: &[Pointer], arena: &Arena, threads: &Dim) -> Vec<(usize, Dim)> {
    let scratch = |(position, pointer): (usize, &Pointer)| match pointer {
        Pointer::Into(Buffer::Scratch(n), _) => Some((position, arena.sizes[*n].divide(threads))),
        _ => None,
    };
    pointers.iter().enumerate().filter_map(scratch).collect()
}

/// Consecutive calls that one function makes.
#[derive(Default)]
pub(crate) struct Section<'a> {
    /// One call of each case.
    pub(crate) cases: Vec<&'a Call>,
    /// For each call its case, and its buffers in the order of [`Call::buffers`].
    pub(crate) calls: Vec<(usize, Vec<Buffer>)>,
}

/// Consecutive calls: those of a loop, or calls that no loop is around.
pub(crate) struct Stretch<'a> {
    pub(crate) calls: Range<usize>,
    pub(crate) repeat: Option<&'a Repeat>,
}

/// Divides calls into loops and what stands between them. Loops inside of those are theirs to make: `inside` are the loops around all of these
/// calls.
pub(crate) fn stretches<'a>(
    calls: Range<usize>,
    repeats: &'a [Repeat],
    inside: &[&Repeat],
) -> Vec<Stretch<'a>> {
    let is_around =
        |repeat: &Repeat, call: usize| repeat.kernels.contains(&call) && !inside.contains(&repeat);
    let mut stretches: Vec<Stretch<'a>> = Vec::new();
    let mut next = calls.start;
    while next < calls.end {
        // Outer loops stand behind inner ones.
        let repeat = repeats.iter().rev().find(|repeat| is_around(repeat, next));
        let end = repeat.map_or(next + 1, |repeat| repeat.kernels.end);
        match stretches.last_mut() {
            Some(last) if last.repeat.is_none() && repeat.is_none() => last.calls.end = end,
            _ => stretches.push(Stretch { calls: next..end, repeat }),
        }
        next = end;
    }
    stretches
}

/// The most cases of one section: compile time grows faster than the length of a function.
const CASES: usize = 64;

/// Divides `calls` into consecutive sections.
pub(crate) fn sections<'a>(calls: &'a [Call], looked_up: &dyn Fn(usize) -> bool) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = Vec::new();
    let mut known: Map<(Call, Vec<bool>), usize> = Map::default();
    for call in calls {
        let buffers = call.buffers();
        let by_row = |buffer: &Buffer| matches!(buffer, Buffer::Input(n) if looked_up(*n));

        // Inputs that are looked up are addressed otherwise, so they make another case.
        let key = (call.case(&buffers), buffers.iter().map(by_row).collect());

        let is_full = |section: &Section<'_>| section.cases.len() == CASES && !known.contains_key(&key);
        if sections.last().is_none_or(is_full) {
            known.clear();
            sections.push(Section::default());
        }

        if let Some(section) = sections.last_mut() {
            let case = *known.entry(key).or_insert(section.cases.len());
            if case == section.cases.len() {
                section.cases.push(call);
            }
            section.calls.push((case, buffers));
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of a function of two pointers.
    fn call(function: u32, x: Buffer, y: Buffer) -> Call {
        let pointers = [x, y].map(|buffer| Pointer::Into(buffer, Dim::default()));
        Call {
            function: FunctionId::numbered(function as usize),
            pointers: pointers.into(),
            integers: vec![Number::RowStride(3)],
            shared: None,
        }
    }

    #[test]
    fn calls_that_differ_in_their_buffers_alone_are_one_case() {
        use Buffer::{Arena, Input, Loss, Storage};
        let calls = [
            call(0, Storage(1), Arena(2)),
            call(0, Storage(7), Arena(0)),
            // Another kind of memory, one buffer instead of two, an input that is looked up, another function.
            call(0, Arena(1), Arena(2)),
            call(0, Arena(4), Arena(4)),
            call(0, Input(1), Arena(4)),
            call(0, Input(2), Arena(4)),
            call(1, Storage(1), Arena(2)),
            call(0, Input(3), Loss),
            call(0, Storage(0), Arena(9)),
        ];
        let sections = sections(&calls, &|input| input == 2);
        let [section] = sections.as_slice() else { panic!("{} sections", sections.len()) };
        let cases: Vec<usize> = section.calls.iter().map(|(case, _)| *case).collect();
        assert_eq!(cases, [0, 0, 1, 2, 3, 4, 5, 6, 0]);
        assert_eq!(section.cases.len(), 7);
        assert_eq!(section.calls[1].1, [Storage(7), Arena(0), Input(3)]);
        assert_eq!(section.calls[7].1, [Input(3)], "the row's stride is the same input's");
    }

    #[test]
    fn a_section_has_so_many_cases_and_any_number_of_calls() {
        let mut calls: Vec<Call> =
            (0..100).map(|n| call(n, Buffer::Arena(n as usize), Buffer::Loss)).collect();
        calls.extend((0..1000).map(|n| call(99, Buffer::Arena(n), Buffer::Loss)));
        let sections = sections(&calls, &|_| false);
        let sizes: Vec<(usize, usize)> =
            sections.iter().map(|section| (section.cases.len(), section.calls.len())).collect();
        assert_eq!(sizes, [(CASES, CASES), (100 - CASES, 1100 - CASES)]);
    }
}
