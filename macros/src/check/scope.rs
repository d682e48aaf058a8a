//! What names mean while a declaration is checked.

use crate::syntax::{Expression, Location};
use downhill_nn::builder::Value;
use downhill_nn::composite::{Argument, Spot};
use downhill_nn::instance::Instance;
use std::collections::BTreeMap;
use syn::Ident;

/// What is known of an expression's value while rustc runs: the check is an abstract interpretation.
#[derive(Clone)]
pub(super) enum AbstractValue {
    /// The value, with symbols for the network's arguments.
    Known(Argument),
    /// Some number, which the network's arguments decide.
    Number,
    /// `true` or `false`, which the network's arguments decide.
    Flag,
    /// Some list of sizes, which is an argument of the network.
    List,
    /// Nothing.
    Unknown,
}

impl AbstractValue {
    pub(super) fn value(value: Value) -> AbstractValue {
        if value.node().is_some() {
            AbstractValue::Known(Argument::Value(value))
        } else {
            AbstractValue::Unknown
        }
    }

    /// An argument that is refused where this is certainly wrong; nothing for the unknown.
    pub(super) fn stand_in(self) -> Option<Argument> {
        match self {
            AbstractValue::Known(argument) => Some(argument),
            AbstractValue::Number => Some(Argument::Number(0.5)),
            AbstractValue::Flag => Some(Argument::Bool(true)),
            AbstractValue::List => Some(Argument::Shape(Vec::new())),
            AbstractValue::Unknown => None,
        }
    }
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Named<'a> {
    /// An argument of the network.
    Argument(AbstractValue),
    /// An argument that only Rust understands.
    Rust,
    /// A size that an input brought, or a layer's head.
    Size(AbstractValue),
    /// A `let` or an output.
    Value(AbstractValue),
    /// What it is (`an input`) and stays: an input, a target, a parameter, a state, an argument of a layer,
    /// the variable of a loop.
    Fixed(&'static str, AbstractValue),
    /// A shared instance.
    Instance(Shared<'a>),
}

/// `shared g = function(handed)`.
#[derive(Clone)]
pub(super) struct Shared<'a> {
    pub(super) instance: Instance,
    pub(super) function: &'a Ident,
    pub(super) handed: Handed<'a>,
}

/// What a call hands over.
#[derive(Clone)]
pub(super) struct Handed<'a> {
    pub(super) positional: Vec<Given<'a>>,
    pub(super) named: Vec<(&'a Ident, Given<'a>)>,
}

impl<'a> Handed<'a> {
    /// The names of the named ones.
    pub(super) fn words(&self) -> Vec<String> {
        self.named.iter().map(|(name, _)| name.to_string()).collect()
    }

    /// The argument at a spot.
    pub(super) fn at(&self, spot: Spot) -> Option<&Given<'a>> {
        match spot {
            Spot::Positional(position) => self.positional.get(position),
            Spot::Named(position) => self.named.get(position).map(|(_, given)| given),
            Spot::Call | Spot::Name(_) => None,
        }
    }

    /// The location, in the user's source, of a spot of a call at `call`.
    pub(super) fn location(&self, spot: Spot, call: Location) -> Location {
        match spot {
            Spot::Name(position) => self.named.get(position).map(|(name, _)| Location::at(name.span())),
            _ => self.at(spot).map(|given| given.expression.location),
        }
        .unwrap_or(call)
    }
}

/// An argument of a call.
#[derive(Clone)]
pub(super) struct Given<'a> {
    pub(super) expression: &'a Expression,
    pub(super) item: AbstractValue,
}

/// Names by block, innermost last; there is always one.
pub(super) struct Scopes<'a> {
    blocks: Vec<BTreeMap<String, Named<'a>>>,
    /// Which blocks are bodies of a `scan`: what is bound outside of one stays what it is in it.
    bodies: Vec<usize>,
}

impl Default for Scopes<'_> {
    fn default() -> Self {
        Scopes { blocks: vec![BTreeMap::new()], bodies: Vec::new() }
    }
}

impl<'a> Scopes<'a> {
    pub(super) fn open(&mut self) {
        self.blocks.push(BTreeMap::new());
    }

    pub(super) fn close(&mut self) {
        self.blocks.pop();
    }

    /// Opens the body of a `scan`.
    pub(super) fn open_body(&mut self) {
        self.bodies.push(self.blocks.len());
        self.open();
    }

    pub(super) fn close_body(&mut self) {
        self.bodies.pop();
        self.close();
    }

    /// Whether the innermost block is the body of a `scan`.
    pub(super) fn is_body(&self) -> bool {
        self.bodies.last() == Some(&(self.blocks.len() - 1))
    }

    /// Whether a name is from outside of the innermost body of a `scan`.
    pub(super) fn is_outside(&self, name: &str) -> bool {
        let block = self.blocks.iter().rposition(|block| block.contains_key(name));
        self.bodies.last().zip(block).is_some_and(|(&body, block)| block < body)
    }

    /// Number of open blocks.
    pub(super) fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Adds a name to the innermost block.
    pub(super) fn declare(&mut self, name: &str, named: Named<'a>) {
        if let Some(block) = self.blocks.last_mut() {
            block.insert(name.to_owned(), named);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Named<'a>> {
        self.blocks.iter().rev().find_map(|block| block.get(name))
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Named<'a>> {
        self.blocks.iter_mut().rev().find_map(|block| block.get_mut(name))
    }

    /// What the innermost block has under a name.
    pub(super) fn here(&self, name: &str) -> Option<&Named<'a>> {
        self.blocks.last().and_then(|block| block.get(name))
    }

    /// All names in sight.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().flat_map(|block| block.keys().map(String::as_str))
    }

    /// Names of shared instances in sight.
    pub(super) fn instances(&self) -> impl Iterator<Item = &str> {
        let all = self.blocks.iter().flatten();
        all.filter(|(_, named)| matches!(named, Named::Instance(_))).map(|(name, _)| name.as_str())
    }

    /// Names of states in sight.
    pub(super) fn states(&self) -> Vec<String> {
        let all = self.blocks.iter().flatten();
        let states = all.filter(|(_, named)| matches!(named, Named::Fixed("a state", _)));
        states.map(|(name, _)| name.clone()).collect()
    }

    /// Gives a shared instance in sight another set of parameters.
    pub(super) fn renew(&mut self, old: Instance, new: Instance) {
        for named in self.blocks.iter_mut().flat_map(BTreeMap::values_mut) {
            if let Named::Instance(shared) = named
                && shared.instance == old
            {
                shared.instance = new;
            }
        }
    }

    /// The shared instances in sight, with their names.
    pub(super) fn shared(&self) -> Vec<(String, Instance)> {
        let all = self.blocks.iter().flatten();
        all.filter_map(|(name, named)| match named {
            Named::Instance(shared) => Some((name.clone(), shared.instance)),
            _ => None,
        })
        .collect()
    }

    /// The values that rebinding can change: block, name, what it is.
    pub(super) fn values(&self) -> Vec<(usize, String, AbstractValue)> {
        let blocks = self.blocks.iter().enumerate();
        blocks
            .flat_map(|(depth, block)| block.iter().map(move |(name, named)| (depth, name, named)))
            .filter_map(|(depth, name, named)| match named {
                Named::Value(item) => Some((depth, name.clone(), item.clone())),
                _ => None,
            })
            .collect()
    }

    /// Forgets what a value is.
    pub(super) fn forget(&mut self, depth: usize, name: &str) {
        self.blocks[depth].insert(name.to_owned(), Named::Value(AbstractValue::Unknown));
    }

    pub(super) fn get(&self, depth: usize, name: &str) -> Option<&AbstractValue> {
        match self.blocks[depth].get(name) {
            Some(Named::Value(item)) => Some(item),
            _ => None,
        }
    }
}
