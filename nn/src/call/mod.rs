//! Calls by name: what is handed over, what is taken, and whether the one fits the other.
//!
//! In: the arguments of a call as they were written. Out: [`Arguments`], one for each parameter and of its kind, or mistakes, each with
//! the [`Spot`] where it stands.
//!
//! Must hold: one function judges arguments, [`judge`], for the builder and for `network!` alike, and words all mistakes.

mod equation;

mod advice;
mod spellings;

mod likely;

mod forms;

mod argument;

mod convert;

mod judge;

mod row;

pub use argument::{Argument, Default, Kind, OfRust, Parameter, Several};
pub use forms::{form, forms};
pub use judge::{Arguments, Head, Mistake, Spot, judge, likely_argument};
pub use likely::{advice, aliases, argument_advice, likely, mended, name_advice};
pub use row::Composite;

pub(crate) use argument::bound;
pub(crate) use equation::{Equation, Label};
pub(crate) use judge::judge_given;
pub(crate) use row::{
    AXES, KEEP, LAST, P, SHAPE, X, Y, families, given, of_one, of_two, optional, row, row_of_several,
};
