//! The functions of a variant as lane programs.
//!
//! In: the kernels of a variant, divided into functions. Out: a [`Part`] for each function. Kernels of one form are emitted once.

use crate::emit::kernel::{Emitted, Number, Pointer, emit};
use crate::error::Error;
use crate::ir::kernel::Buffer;
use crate::plan::arena::Arena;
use crate::schedule::divide::Division;
use crate::schedule::form::buffer_of;
use crate::schedule::specialize::{Instance, Scheduled};
use downhill_graph::types::ElementType;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// What one function does, and on what.
#[derive(Debug)]
pub(crate) struct Part {
    /// The kernels in it.
    pub(crate) names: Vec<String>,
    /// Its code, and what its arguments stand for where kernels of its form share it.
    pub(crate) emitted: Rc<Emitted>,
    /// What its arguments stand for here.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) integers: Vec<Number>,
    /// How threads share it, if they do.
    pub(crate) division: Option<Division>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.names.join("; "), self.emitted.program)
    }
}

/// Emits the functions of a variant, whose kernels share the memory of `arena`.
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
    let mut known: HashMap<usize, Rc<Emitted>> = HashMap::new();
    let emitted = parts.iter().map(|part| {
        let (emitted, arguments) = match part {
            [alone] => {
                // All of its buffers are in use at once.
                let emit = || Rc::new(emit(std::slice::from_ref(&alone.form.scheduled), &|_, _| false));
                let emitted = known.entry(alone.form.number).or_insert_with(emit).clone();
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
            division: part.iter().find_map(|kernel| kernel.form.scheduled.division.clone()),
        }
    });
    Ok(emitted.collect())
}
