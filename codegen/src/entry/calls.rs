//! What an entry's function calls.
//!
//! In: the functions of a variant, lowered, and what their arguments stand for. Out: [`Call`]s, each of one function or of several that
//! threads share at once, and where there are many, [`Section`]s.
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

use crate::abi::Share;
use crate::code::{FunctionId, Functions};
use crate::emit::kernel::{Number, Pointer};
use crate::emit::parts::Part;
use crate::entry::task::{TaskShape, Tasks};
use crate::error::Error;
use crate::ir::kernel::Buffer;
use crate::plan::arena::Arena;
use crate::plan::step::Repeat;
use crate::schedule::divide::Division;
use crate::schedule::form::{number, numbered};
use crate::schedule::specialize::Shared;
use downhill_graph::dim::Dim;
use downhill_graph::hash::Map;
use std::fmt;
use std::mem::size_of;
use std::ops::Range;

/// What an entry's function calls at once: one function, or those that threads share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    /// One, or several that threads share.
    pub(crate) functions: Vec<Called>,
    /// The cost in a step of what threads share, from which their number follows: [`crate::schedule::cost::Cost::total`].
    pub(crate) work: Dim,
}

/// A function to call.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Called {
    pub(crate) function: FunctionId,
    /// What its arguments stand for.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) integers: Vec<Number>,
    /// How threads share it, if they do.
    pub(crate) shared: Option<SharedCall>,
}

impl Call {
    /// Whether threads share it.
    pub(crate) fn is_shared(&self) -> bool {
        self.functions.iter().any(|called| called.shared.is_some() && !called.is_in_shared_loop())
    }

    /// How threads divide the loop around it, if they do.
    pub(crate) fn rows_of_loop(&self) -> Option<&Division> {
        let called = self.functions.first().filter(|called| called.is_in_shared_loop())?;
        called.shared.as_ref().and_then(|shared| shared.division.as_ref())
    }

    /// The numbered buffers that its arguments name, each once, in the order in which they occur.
    pub(crate) fn buffers(&self) -> Vec<Buffer> {
        let mut buffers: Vec<Buffer> = Vec::new();
        for buffer in self.functions.iter().flat_map(Called::buffers) {
            if !buffers.contains(&buffer) {
                buffers.push(buffer);
            }
        }
        buffers
    }

    /// The call with its `buffers` numbered in their order: equal for all calls of one case.
    fn case(&self, buffers: &[Buffer]) -> Call {
        let index = |buffer: Buffer| buffers.iter().position(|known| *known == buffer).unwrap_or_default();
        let functions = self.functions.iter().map(|called| called.case(&index));
        Call { functions: functions.collect(), work: self.work.clone() }
    }
}

impl Called {
    /// Words of its argument table for threads, if they share it: see [`crate::entry::task`].
    pub(crate) fn table_words(&self) -> usize {
        let scratch = self.shared.as_ref().map_or(0, |shared| shared.scratch.len());
        1 + self.pointers.len() + self.own_integers().count() + scratch
    }

    /// Whether threads share the loop around it as a whole.
    fn is_in_shared_loop(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.task.is_none())
    }

    /// The integers that are not a thread's to say.
    pub(crate) fn own_integers(&self) -> impl Iterator<Item = &Number> {
        self.integers.iter().filter(|number| !matches!(number, Number::Begin | Number::End))
    }

    fn buffers(&self) -> impl Iterator<Item = Buffer> {
        let pointed = self.pointers.iter().filter_map(|pointer| match pointer {
            Pointer::Into(buffer, _) => number(*buffer).map(|_| *buffer),
            Pointer::Rows | Pointer::Alarm => None,
        });
        let strides = self.integers.iter().filter_map(|number| match number {
            Number::RowStride(input) => Some(Buffer::Input(*input)),
            _ => None,
        });
        pointed.chain(strides)
    }

    fn case(&self, index: &impl Fn(Buffer) -> usize) -> Called {
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

/// How threads share a function.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SharedCall {
    /// The loop that they divide; `None` for a function that one of them runs.
    pub(crate) division: Option<Division>,
    /// Which range of iterations comes first, counted round: [`crate::abi::Share::first`].
    pub(crate) first: i64,
    /// The function that each thread calls: [`Tasks::function`]. `None` in a loop that threads share as a whole.
    pub(crate) task: Option<FunctionId>,
    /// The pointers to scratch, of which each thread has a part of its own, and the bytes of that part.
    pub(crate) scratch: Vec<(usize, Dim)>,
}

impl SharedCall {
    /// Iterations of the divided loop: 1 where one thread runs it all.
    pub(crate) fn turns(&self) -> Dim {
        self.division.as_ref().map_or(Dim::from(1), |division| division.turns.clone())
    }

    /// At which multiples of them ranges meet.
    pub(crate) fn multiple(&self) -> i64 {
        self.division.as_ref().map_or(1, |division| division.multiple)
    }
}

/// Bytes of what threads are handed for a call.
pub(crate) fn handed_bytes(call: &Call) -> u32 {
    let words: usize = call.functions.iter().map(Called::table_words).sum();
    (call.functions.len() * size_of::<Share>()) as u32 + words as u32 * size_of::<i64>() as u32
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
    /// `function 3(input0, arena1; 128, batch), threads share i0 at multiples of 8`; a line for each function.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, called) in self.functions.iter().enumerate() {
            f.write_str(if number > 0 { "\n  and " } else { "" })?;
            write!(f, "{called}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |all: Vec<String>| all.join(", ");
        let pointers = joined(self.pointers.iter().map(Pointer::to_string).collect());
        let integers = joined(self.integers.iter().map(Number::to_string).collect());
        write!(f, "function {}({pointers}; {integers})", self.function)?;
        match self.shared.as_ref().map(|shared| shared.division.as_ref()) {
            Some(Some(division)) => {
                write!(f, ", threads share {division}")?;
                f.write_str(if self.is_in_shared_loop() { " in all turns" } else { "" })
            }
            Some(None) => f.write_str(", one thread"),
            None => Ok(()),
        }
    }
}

/// Makes the calls of a variant.
pub(crate) struct Maker<'a, 'f> {
    pub(crate) arena: &'a Arena,
    pub(crate) tasks: &'a mut Tasks,
    pub(crate) functions: &'a mut Functions<'f>,
}

impl Maker<'_, '_> {
    /// Calls of the parts of a variant, each with its function. `sizes` says of each call how many functions it has, and what they cost.
    ///
    /// # Errors
    /// What Cranelift reports of the functions that threads call.
    pub(crate) fn calls(
        &mut self,
        parts: Vec<Part>,
        lowered: &[FunctionId],
        sizes: impl Iterator<Item = (usize, Dim)>,
    ) -> Result<Vec<Call>, Error> {
        let mut rest = parts.into_iter().zip(lowered);
        let call = |(count, work): (usize, Dim)| {
            let functions = rest.by_ref().take(count).map(|(part, &function)| self.called(part, function));
            Ok(Call { functions: functions.collect::<Result<_, Error>>()?, work })
        };
        sizes.map(call).collect()
    }

    fn called(&mut self, part: Part, function: FunctionId) -> Result<Called, Error> {
        let Part { pointers, integers, shared, .. } = part;
        let threads = Dim::from(self.functions.target().thread_count());
        let shared = shared.map(|Shared { division, first, team }| {
            let scratch = scratch_pointers(&pointers, self.arena, &threads);
            let shape = TaskShape {
                pointers: pointers.len() as u32,
                integers: integers.len() as u32,
                takes_range: division.is_some(),
                scratch: scratch.iter().map(|(position, _)| *position).collect(),
            };
            let task = team.map(|_| self.tasks.function(self.functions, shape)).transpose()?;
            Ok::<_, Error>(SharedCall { division, first, task, scratch })
        });
        Ok(Called { function, shared: shared.transpose()?, pointers, integers })
    }
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

/// The most functions in the cases of one section: compile time grows faster than the length of a function.
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

        let functions =
            |section: &Section<'_>| section.cases.iter().map(|case| case.functions.len()).sum::<usize>();
        let is_full = |section: &Section<'_>| functions(section) >= CASES && !known.contains_key(&key);
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
        let called = Called {
            function: FunctionId::numbered(function as usize),
            pointers: pointers.into(),
            integers: vec![Number::RowStride(3)],
            shared: None,
        };
        Call { functions: vec![called], work: Dim::default() }
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
