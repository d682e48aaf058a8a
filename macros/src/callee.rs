//! What a name that is called stands for, and how its arguments are judged.
//!
//! In: a name. Out: [`Callee`], a layer of the declaration or else a composite. The check and the expansion ask here alike.

use crate::syntax::{Declarations, Layer};
use downhill_nn::composite::{Composite, Kind, Parameter, find};
use syn::Ident;

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Function<'a> {
    /// A layer that the declaration has.
    Layer(&'a Layer),
    /// A composite of the table.
    Composite(&'static Composite),
}

/// A function with its name, and the names of its parameters where it is a layer.
pub(crate) struct Callee<'a> {
    pub(crate) function: Function<'a>,
    pub(crate) name: String,
    names: Vec<String>,
}

impl<'a> Callee<'a> {
    /// What is called `name`: layers of the declaration come first.
    pub(crate) fn find(program: &'a Declarations, name: &Ident) -> Option<Callee<'a>> {
        let layer = program.layers.iter().find(|layer| layer.name == *name);
        let name = name.to_string();
        let function = match layer {
            Some(layer) => Function::Layer(layer),
            None => Function::Composite(find(&name)?),
        };
        let arguments = layer.map_or(&[][..], |layer| &layer.arguments);
        let names = arguments.iter().map(|argument| argument.name.to_string()).collect();
        Some(Callee { function, name, names })
    }

    /// What it takes, in order. What a layer makes of an argument shows only in its body.
    pub(crate) fn parameters(&self) -> Vec<Parameter<'_>> {
        match self.function {
            Function::Composite(composite) => composite.parameters.to_vec(),
            Function::Layer(_) => {
                let parameter = |name| Parameter { name, kind: Kind::Any, default: None };
                self.names.iter().map(String::as_str).map(parameter).collect()
            }
        }
    }
}
