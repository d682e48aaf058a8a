//! From lane programs to machine code: one lowering for every machine, one for wide vectors of x86-64.

mod uses;

pub mod clif;

pub mod wide;

use crate::code::{FunctionId, Functions};
use crate::error::Error;
use crate::lane::LaneProgram;
use downhill_graph::hash::Map;
use wide::Asked;

/// Functions of lane programs. Programs that are equal are lowered once, whichever entry they belong to.
#[derive(Default)]
pub(crate) struct Lowered {
    known: Map<LaneProgram, FunctionId>,
}

impl Lowered {
    /// The function of a program, made now or before, and its text if it is asked for and was made now: that of wide code, before and
    /// after registers are allocated. Its arguments are all i64, pointers first.
    ///
    /// # Errors
    /// What a lowering refuses.
    pub(crate) fn function(
        &mut self,
        functions: &mut Functions<'_>,
        program: &LaneProgram,
        asked: Asked,
    ) -> Result<(FunctionId, Option<String>), Error> {
        if let Some(&known) = self.known.get(program) {
            return Ok((known, None));
        }
        let name = format!("kernel{}", self.known.len());
        let (function, text) = match functions.target().instructions().level() {
            Some(level) => {
                let wide::Assembled { bytes, text } = wide::assemble(program, level, asked)?;
                let text = text.map(|text| format!("{name}\n{text}"));
                (wide::define(functions, &name, program, bytes), text)
            }
            None => (clif::define(functions, &name, program)?, None),
        };
        self.known.insert(program.clone(), function);
        Ok((function, text))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}
