//! The functions of a variant as lane programs.
//!
//! In: the kernels of a variant, grouped by function. Out: a [`Part`] for each function. A form is emitted once for all its kernels.

use crate::emit::kernel::{Emitted, Number, Pointer, emit};
use crate::error::Error;
use crate::ir::affine::Axis;
use crate::ir::kernel::Buffer;
use crate::plan::arena::Arena;
use crate::schedule::form::buffer_of;
use crate::schedule::specialize::{Instance, Scheduled, Shared};
use downhill_graph::types::ElementType;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

/// One function: its lane program and its arguments.
#[derive(Debug)]
pub(crate) struct Part {
    /// The kernels in it.
    pub(crate) names: Vec<String>,
    /// Its code, shared by all kernels of its form, with what the arguments stand for in the form.
    pub(crate) emitted: Rc<Emitted>,
    /// What its arguments stand for here.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) integers: Vec<Number>,
    /// How threads share it, if they do.
    pub(crate) shared: Option<Shared>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.names.join("; "), self.emitted.program)
    }
}

/// Emits the functions of a variant, whose intermediate values lie in `arena`.
///
/// # Errors
/// Kernels that compute in f64: lane programs have no registers for it yet.
pub(crate) fn emit_parts(parts: &[&[Instance]], arena: &Arena) -> Result<Vec<Part>, Error> {
    for instance in parts.iter().copied().flatten() {
        if instance.form.scheduled.kernel.values.contains(&ElementType::F64) {
            let kernel = &instance.name;
            return Err(Error::Unsupported(format!(
                "compiled code computes in f32 today, not in f64 (`{kernel}`)"
            )));
        }
    }

    let overlap = |x: Buffer, y: Buffer| arena.may_overlap(x, y);
    // By form, and by the loops that threads divide.
    let mut known: HashMap<(usize, Option<BTreeSet<Axis>>), Rc<Emitted>> = HashMap::new();
    let emitted = parts.iter().map(|part| {
        let (emitted, arguments) = match part {
            [alone] => {
                // All buffers of one kernel are in use at the same time, so none overlap.
                let emit = || Rc::new(emit(&[alone.of_form()], &|_, _| false));
                let key = (alone.form.number, alone.division().map(|by| by.axes.clone()));
                let emitted = known.entry(key).or_insert_with(emit).clone();
                let arguments = emitted.arguments(|buffer| buffer_of(&alone.numbers, buffer));
                (emitted, arguments)
            }
            several => {
                let kernels: Vec<Scheduled> = several.iter().map(Instance::scheduled).collect();
                let emitted = Rc::new(emit(&kernels, &overlap));
                let arguments = (emitted.pointers.clone(), emitted.integers.clone());
                (emitted, arguments)
            }
        };
        Part {
            names: part.iter().map(|instance| instance.name.clone()).collect(),
            emitted,
            pointers: arguments.0,
            integers: arguments.1,
            shared: part.first().and_then(|kernel| kernel.shared.clone()),
        }
    });
    Ok(emitted.collect())
}
