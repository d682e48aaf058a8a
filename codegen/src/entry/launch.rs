//! The native function of an entry: the loop over steps, and the functions that make its calls.
//!
//! In: kernels already defined, with what their arguments stand for. Out: a function `extern "C" fn(*mut Context)`
//! that keeps the contract of [`crate::abi`].
//!
//! Must hold: the guard (see [`crate::plan::guard`]) stands between the store of a loss and the first kernel that writes a storage. An
//! entry that writes none has no guard: it changes nothing, and callers may want the gradients of a loss that is not finite.

use crate::code::{FunctionId, Functions};
use crate::entry::calls::{Call, Called, Launch, Section, Stretch, sections, stretches};
use crate::entry::description::Quantity;
use crate::entry::steps::{Callee, Numbers, StepWriter};
use crate::error::Error;
use cranelift_codegen::ir::{FuncRef, Function, InstBuilder};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_graph::dim::Dim;
use std::collections::HashMap;
use std::ops::Range;

/// The most functions that one calls: compile time grows faster than the length of a function. Longer steps go through tables of calls, in
/// sections, which a tree of functions calls; the root of the tree is the entry's own function. A loop is a function of its own.
const CALLS: usize = 16;

/// Defines the function. Returns it and the numbers that it loads, in the order of `Context::numbers`.
///
/// # Errors
/// What Cranelift reports.
pub(crate) fn define(
    functions: &mut Functions<'_>,
    name: &str,
    launch: &Launch<'_>,
) -> Result<(FunctionId, Vec<Quantity>), Error> {
    let mut numbers = Numbers::default();

    // A short step calls its kernels itself; a long one calls sections of them. The guard stands between two lists of sections.
    let functions_called: usize = launch.calls.iter().map(|call| call.functions.len()).sum();
    let is_long = functions_called > CALLS || !launch.repeats.is_empty();
    let own = if is_long { &[] } else { launch.calls };
    let mut made = [Vec::new(), Vec::new()];
    if own.is_empty() {
        let guard = launch.guard.min(launch.calls.len());
        for (calls, made) in [0..guard, guard..launch.calls.len()].into_iter().zip(&mut made) {
            for stretch in stretches(calls, launch.repeats, &[]) {
                let Stretch { calls, repeat } = stretch;
                let name = format!("{name}_from{}", calls.start);
                if repeat.is_some() {
                    made.push(define_loop(functions, &name, launch, &mut numbers, calls)?);
                    continue;
                }
                let mut first = calls.start;
                for section in sections(&launch.calls[calls], launch.looked_up) {
                    let name = format!("{name}_{first}");
                    made.push(define_section(functions, &name, launch, &mut numbers, (first, &section))?);
                    first += section.calls.len();
                }
            }
        }
        let [before, updates] = made;
        made = [
            gathered(functions, &format!("{name}_before"), before)?,
            gathered(functions, &format!("{name}_updates"), updates)?,
        ];
    }

    let function = define_with(functions, name, 1, |functions, func, builder_context| {
        let sections = made.map(|sections| imported(functions, func, &sections));
        let callees = callees(functions, func, own.iter());
        let mut writer =
            StepWriter::begin(functions, func, builder_context, launch, own.iter(), &mut numbers);
        writer.all_steps(&callees, &sections);
        writer.f
    })?;
    Ok((function, numbers.list))
}

/// At most [`CALLS`] functions that together call all of `called`. All take the context, the step and its row numbers.
fn gathered(
    functions: &mut Functions<'_>,
    name: &str,
    mut called: Vec<FunctionId>,
) -> Result<Vec<FunctionId>, Error> {
    let mut level = 0;
    while called.len() > CALLS {
        level += 1;

        let chunks = called.chunks(CALLS).enumerate();
        let above = chunks.map(|(number, chunk)| {
            let name = format!("{name}_{level}_{number}");
            define_with(functions, &name, 3, |functions, func, builder_context| {
                let callees = imported(functions, func, chunk);
                let mut f = FunctionBuilder::new(func, builder_context);
                let entry = f.create_block();
                f.append_block_params_for_function_params(entry);
                f.switch_to_block(entry);
                let arguments = f.block_params(entry).to_vec();
                for callee in callees {
                    f.ins().call(callee, &arguments);
                }
                f.ins().return_(&[]);
                f
            })
        });

        called = above.collect::<Result<_, _>>()?;
    }
    Ok(called)
}

/// Defines the function of a section. `first` is the number of its first call.
fn define_section(
    functions: &mut Functions<'_>,
    name: &str,
    launch: &Launch<'_>,
    numbers: &mut Numbers,
    (first, section): (usize, &Section<'_>),
) -> Result<FunctionId, Error> {
    define_with(functions, name, 3, |functions, func, builder_context| {
        let cases = || section.cases.iter().copied();
        let callees = callees(functions, func, cases());
        let mut writer = StepWriter::begin(functions, func, builder_context, launch, cases(), numbers);
        writer.section(first, section, &callees);
        writer.f
    })
}

/// Defines the function of a loop around these calls. One that threads share is two functions: one that each thread runs for its rows, and
/// one that hands it to them.
fn define_loop(
    functions: &mut Functions<'_>,
    name: &str,
    launch: &Launch<'_>,
    numbers: &mut Numbers,
    calls: Range<usize>,
) -> Result<FunctionId, Error> {
    let own = || launch.calls[calls.clone()].iter();
    let rows = own().next().and_then(Call::rows_of_loop);
    let words = if rows.is_some() { 4 } else { 3 };
    let turns = define_with(functions, name, words, |functions, func, builder_context| {
        let callees = callees(functions, func, own());
        let mut writer = StepWriter::begin(functions, func, builder_context, launch, own(), numbers);
        writer.looped(calls.clone(), &callees);
        writer.f
    })?;
    let Some(rows) = rows else { return Ok(turns) };

    let work = own().fold(Dim::default(), |sum, call| &sum + &call.work);
    let name = format!("{name}_shared");
    define_with(functions, &name, 3, |functions, func, builder_context| {
        let turns = functions.import(turns, func);
        let none = std::iter::empty();
        let mut writer = StepWriter::begin(functions, func, builder_context, launch, none, numbers);
        writer.share_loop(turns, rows, &work);
        writer.f
    })
}

/// Defines a function with so many parameters, each a word; `write` makes its body.
fn define_with(
    functions: &mut Functions<'_>,
    name: &str,
    words: usize,
    write: impl for<'f> FnOnce(
        &Functions<'_>,
        &'f mut Function,
        &'f mut FunctionBuilderContext,
    ) -> FunctionBuilder<'f>,
) -> Result<FunctionId, Error> {
    let mut function = Function::new();
    function.signature = functions.signature(words);
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = write(functions, &mut function, &mut builder_context);
    f.seal_all_blocks();
    f.finalize(functions.config());
    functions.define(name, function)
}

fn imported(functions: &Functions<'_>, caller: &mut Function, called: &[FunctionId]) -> Vec<FuncRef> {
    called.iter().map(|&id| functions.import(id, caller)).collect()
}

/// The functions of each of `calls`, imported into the caller.
fn callees<'c>(
    functions: &Functions<'_>,
    caller: &mut Function,
    calls: impl Iterator<Item = &'c Call>,
) -> Vec<Vec<Callee>> {
    let mut known: HashMap<FunctionId, FuncRef> = HashMap::new();
    let mut import = |id: FunctionId| *known.entry(id).or_insert_with(|| functions.import(id, caller));
    let mut callee = |called: &Called| Callee {
        kernel: import(called.function),
        task: called.shared.as_ref().and_then(|shared| shared.task).map(&mut import),
    };
    calls.map(|call| call.functions.iter().map(&mut callee).collect()).collect()
}
