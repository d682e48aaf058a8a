//! `scan step in x along time, h = zeros([batch, units]) { …; yield h }`.

use super::arithmetic;
use crate::builder::{Builder, Value};
use crate::call::{Argument, Several};
use crate::value::{self, Iteration, Scan, Scanned, Slices};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::Undecided;

/// What stands before the body of a `scan`.
pub struct ScanHead<'a> {
    /// What is sliced.
    pub slices: &'a [SliceOf<'a>],
    /// What is carried: names, and values before the first iteration.
    pub carried: &'a [(&'a str, Argument)],
    /// From the last slice to the first.
    pub reverse: bool,
}

/// `step in x along time`.
pub struct SliceOf<'a> {
    /// The name of a slice.
    pub name: &'a str,
    /// What is sliced.
    pub of: Argument,
    /// Along which axis: a whole number, where it is known.
    pub axis: Argument,
}

/// What an iteration gives, as a declaration writes it: what is carried on, and what is yielded.
pub type Looped = (Vec<Argument>, Vec<Argument>);

/// The yields, stacked, and behind them what is carried in the end. The yields stand for all; without any, what is carried does.
pub fn scan(
    builder: &Builder,
    head: &ScanHead<'_>,
    body: impl FnOnce(Vec<Argument>, Vec<Argument>) -> Looped,
) -> Argument {
    let slices = head.slices.iter().map(|slice| slices(builder, slice)).collect();
    let carried = head.carried.iter().map(|(name, initial)| (*name, arithmetic::tensor(builder, initial)));
    let over = Scan { slices, carried: carried.collect(), reverse: head.reverse, ..Scan::default() };

    let arguments = |values: &[Value]| values.iter().map(Argument::from).collect::<Vec<Argument>>();
    let values = |arguments: &[Argument]| -> Vec<Value> {
        arguments.iter().map(|argument| arithmetic::tensor(builder, argument)).collect()
    };
    let Scanned { yields, last } = value::scan(builder, over, |slices, carried| {
        let (next, yields) = body(arguments(slices), arguments(carried));
        Iteration { next: values(&next), yields: values(&yields) }
    });

    let least = if yields.is_empty() { last.len() } else { yields.len() };
    Argument::Several(Several { values: [yields, last].concat(), least })
}

/// The slices of a tensor; of the unknown one where the axis is not known.
fn slices<'a>(builder: &Builder, slice: &SliceOf<'a>) -> Slices<'a> {
    let (name, of) = (slice.name, arithmetic::tensor(builder, &slice.of));
    match slice.axis {
        Argument::Integer(axis) => Slices { name, of, axis },
        _ => Slices { name, of: builder.unknown(), axis: 0 },
    }
}

/// `along name`: the axis of `of` that has this size; unknown after a mistake, and where it is not known.
pub fn axis(builder: &Builder, of: &Argument, name: &str, size: &Argument) -> Argument {
    let of = arithmetic::tensor(builder, of);
    axis_of(builder, &of, name, size).map_or(Argument::Unknown, Argument::Integer)
}

fn axis_of(builder: &Builder, of: &Value, name: &str, size: &Argument) -> Option<i64> {
    let (size, shape) = (arithmetic::dim(builder, size)?, of.shape()?);
    let having = |is: &dyn Fn(&Dim) -> bool| -> Vec<usize> {
        (0..shape.rank()).filter(|&axis| is(&shape.dims()[axis])).collect()
    };
    let mut found = having(&|dim| *dim == size);
    if found.is_empty() {
        found = having(&|dim| builder.with_graph(|graph| graph.agrees(dim, &size)));
        // While rustc runs, more may be equal than will be.
        let is_open = builder.with_graph(|graph| graph.undecided == Undecided::Accept);
        if found.len() > 1 && is_open {
            return None;
        }
    }

    let (label, shown) = (of.label(), |axis: &usize| format!("`along {axis}`"));
    let error = match &found[..] {
        [axis] => return i64::try_from(*axis).ok(),
        [] => Error::new(format!("{label} has no axis of size `{name}`"))
            .help("name a size of it, or say which axis: `along 1`"),
        several => {
            let choice: Vec<String> = several.iter().map(shown).collect();
            Error::new(format!("{label} has {} axes of size `{name}`", several.len()))
                .help(format!("say which: {}", choice.join(" or ")))
        }
    };
    builder.error(error.note(format!("its shape is {shape}")));
    None
}
