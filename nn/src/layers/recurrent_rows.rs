//! What declarations may say of every recurrence.

use super::recurrent::Recurrent;
use crate::builder::Builder;
use crate::call::{Arguments, Default, Kind, Parameter, Several, optional};
use downhill_graph::dim::Dim;

pub(super) const LAYERED: Parameter<'static> = optional("layers", Kind::Integer, Default::Integer(1));
pub(super) const BIDIRECTIONAL: Parameter<'static> =
    optional("bidirectional", Kind::Bool, Default::Bool(false));
pub(super) const START: Parameter<'static> = optional("h", Kind::Tensor, Default::Unset("zeros"));
pub(super) const STEPS: Parameter<'static> = optional("lengths", Kind::Tensor, Default::Unset("all steps"));
pub(super) const DROPPED: Parameter<'static> = optional("dropout", Kind::Number, Default::Number(0.0));
pub(super) const BIASED: Parameter<'static> = optional("bias", Kind::Bool, Default::Bool(true));

/// The options of a call.
pub(super) fn options(given: &Arguments<'_>) -> Recurrent {
    Recurrent {
        layers: given.integer("layers"),
        bidirectional: given.flag("bidirectional"),
        bias: given.flag("bias"),
        dropout: given.number("dropout"),
        lengths: given.optional_tensor("lengths").cloned(),
        proj_size: None,
    }
}

/// The units of a call; `None` where a shape that it gives is not known: a flag that is not stands as `true`.
pub(super) fn units<'a>(given: &'a Arguments<'_>) -> Option<&'a Dim> {
    given.dim("units").filter(|_| given.certain() || !given.flag("bidirectional"))
}

/// So many values that are not known, of which the first stands for all.
pub(super) fn several(builder: &Builder, count: usize) -> Several {
    Several { values: vec![builder.unknown(); count], least: 1 }
}
