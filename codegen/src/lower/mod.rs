//! From lane programs to machine code: one lowering for every machine, one for wide vectors of x86-64.

pub mod clif;

pub mod wide;

use crate::code::{FunctionId, Functions};
use crate::error::Error;
use crate::lane::Program;
use std::collections::HashMap;

/// Functions of lane programs. Programs that are equal are lowered once, whichever entry they belong to.
#[derive(Default)]
pub(crate) struct Lowered {
    known: HashMap<Program, FunctionId>,
}

impl Lowered {
    /// The function of a program, made now or before. Its arguments are all i64, pointers first.
    ///
    /// # Errors
    /// What a lowering refuses.
    pub(crate) fn function(
        &mut self,
        functions: &mut Functions<'_>,
        program: &Program,
    ) -> Result<FunctionId, Error> {
        if let Some(&known) = self.known.get(program) {
            return Ok(known);
        }
        let name = format!("kernel{}", self.known.len());
        let function = match functions.target().lanes().level() {
            Some(level) => wide::define(functions, level, &name, program)?,
            None => clif::define(functions, &name, program)?,
        };
        self.known.insert(program.clone(), function);
        Ok(function)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}
