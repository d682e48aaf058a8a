//! Conditions and `if`.
//!
//! Where a condition is known while rustc runs, as in a layer that is called with numbers, the branch that is taken is checked, and of
//! the other one that its names mean something. Where it is not, both are checked, and what comes out is known as far as both agree.

use super::checker::Checker;
use super::scope::{AbstractValue, Given, Handed, Named};
use crate::callee::{Callee, Function};
use crate::syntax::{Arguments, Choice, Connective, Expression, ExpressionKind, Location};
use downhill_graph::dim::Dim;
use downhill_nn::composite::{Argument, Head, Kind, find_initializer};
use downhill_nn::instance::Instance;
use downhill_nn::{language, value};
use syn::Ident;

impl<'a> Checker<'a> {
    /// `if condition { then } else { otherwise }` where an argument of `kind` is taken.
    pub(super) fn choice(
        &mut self,
        choice: &'a Choice,
        kind: Option<Kind>,
        location: Location,
    ) -> AbstractValue {
        let Choice { condition, then, otherwise } = choice;
        match self.condition("if", condition) {
            Some(holds) => {
                let (taken, left) = if holds { (then, otherwise) } else { (otherwise, then) };
                self.names(left, kind);
                self.expression_as(taken, kind)
            }
            None => self.either(then, otherwise, kind, location),
        }
    }

    /// Whether a condition holds; `None` where the network's arguments decide, or nothing is known.
    fn condition(&mut self, asks: &str, condition: &'a Expression) -> Option<bool> {
        let item = self.expression(condition);
        if matches!(item, AbstractValue::Flag) {
            return None;
        }
        self.at(condition.location);
        let holds = language::condition(&self.builder, asks, &item.stand_in()?);
        // A mistake, which is told of.
        self.unsure |= holds.is_none();
        holds
    }

    /// `!operand`.
    pub(super) fn not(&mut self, operand: &'a Expression) -> AbstractValue {
        self.condition("!", operand).map_or(AbstractValue::Flag, |holds| known(!holds))
    }

    /// `left && right`, `left || right`: the right one counts where the left one does not decide.
    pub(super) fn connected(
        &mut self,
        connective: Connective,
        left: &'a Expression,
        right: &'a Expression,
    ) -> AbstractValue {
        let decides = connective == Connective::Or;
        let (mask, mistakes) = (left, self.unsure);
        self.unsure = false;
        let left = self.condition(connective.symbol(), left);
        // Masks that are joined so are one mistake.
        let is_mask = self.unsure && left.is_none() && matches!(mask.kind, ExpressionKind::Binary(..));
        self.unsure |= mistakes;
        if is_mask {
            return AbstractValue::Unknown;
        }
        if left == Some(decides) {
            self.names(right, None);
            return known(decides);
        }
        match (left, self.condition(connective.symbol(), right)) {
            (_, Some(right)) if right == decides => known(decides),
            (Some(_), Some(right)) => known(right),
            _ => AbstractValue::Flag,
        }
    }

    /// Both branches, of which the network's arguments decide.
    fn either(
        &mut self,
        then: &'a Expression,
        otherwise: &'a Expression,
        kind: Option<Kind>,
        location: Location,
    ) -> AbstractValue {
        self.at(location);
        let path = self.builder.origin().layer;
        let storages = |checker: &Checker<'a>| checker.builder.with_graph(|graph| graph.storages.len());
        let (before, unused) = (storages(self), self.unused_instances());

        let builder = self.builder.clone();
        let (then, otherwise, second) = builder.undecided(|| {
            let then = self.expression_as(then, kind);
            let first = self.renew(&unused);
            let otherwise = self.expression_as(otherwise, kind);
            (then, otherwise, self.renew(&first))
        });

        // Parameters exist in the branch that is taken alone, and those made later may have other names.
        if storages(self) != before {
            self.unsure = true;
            self.open_names.extend(path.split('.').map(str::to_owned));
            self.open_names
                .extend(unused.iter().zip(&second).filter(|(a, b)| a.1 != b.1).map(|(a, _)| a.0.clone()));
        }
        self.at(location);
        self.join(then, otherwise)
    }

    /// What is known of a value that is one of two.
    fn join(&mut self, a: AbstractValue, b: AbstractValue) -> AbstractValue {
        use AbstractValue::{Flag, Known, List, Number, Unknown};
        match (a, b) {
            (Known(Argument::Value(a)), Known(Argument::Value(b))) if a.ty() == b.ty() => {
                // Made of both, so that what either needs is used.
                self.result(value::select(self.builder.flag(true), a, b))
            }
            (Known(Argument::Bool(a)), Known(Argument::Bool(b))) if a == b => known(a),
            (Known(Argument::Bool(_)) | Flag, Known(Argument::Bool(_)) | Flag) => Flag,
            (Known(Argument::Number(a)), Known(Argument::Number(b))) if a == b => Known(Argument::Number(a)),
            (Known(Argument::Shape(a)), Known(Argument::Shape(b))) if a == b => Known(Argument::Shape(a)),
            (Known(Argument::Shape(_)) | List, Known(Argument::Shape(_)) | List) => List,
            (Known(Argument::Initializer(a)), Known(Argument::Initializer(b))) if a == b => {
                Known(Argument::Initializer(a))
            }
            (a, b) => match (size(&a), size(&b)) {
                (Some(a), Some(b)) if a == b => Known(Argument::Dim(a)),
                (Some(_), Some(_)) => Known(Argument::Dim(self.builder.fresh_dim("size"))),
                _ if self.is_build_number(&a) && self.is_build_number(&b) => Number,
                _ => {
                    self.unsure = true;
                    Unknown
                }
            },
        }
    }

    /// The shared instances in sight that have no parameters yet.
    fn unused_instances(&self) -> Vec<(String, Instance)> {
        let mut instances = self.scopes.shared();
        instances.retain(|(_, instance)| self.builder.storages_of(*instance).is_empty());
        instances
    }

    /// Makes those instances new that a branch has used first: another branch, or what follows, may be the first to use them.
    fn renew(&mut self, instances: &[(String, Instance)]) -> Vec<(String, Instance)> {
        let mut renewed = Vec::new();
        for (name, old) in instances {
            let mut instance = *old;
            if !self.builder.storages_of(*old).is_empty() {
                instance = self.builder.instance(name);
                self.scopes.renew(*old, instance);
            }
            renewed.push((name.clone(), instance));
        }
        renewed
    }

    /// Checks of an expression that is not taken that its names mean something: shapes need not fit where nothing is computed.
    fn names(&mut self, expression: &'a Expression, kind: Option<Kind>) {
        match &expression.kind {
            ExpressionKind::Integer(_)
            | ExpressionKind::Number(_)
            | ExpressionKind::Bool(_)
            | ExpressionKind::Text(_)
            | ExpressionKind::Whatever
            | ExpressionKind::Rust(_) => {}
            ExpressionKind::Name(name) => {
                self.word(name, kind).unwrap_or_else(|| self.name(name));
            }
            ExpressionKind::Parameter(path) => {
                if self.scopes.find(&path[0]).is_none() {
                    self.unknown_name(&path[0], expression.location);
                }
            }
            ExpressionKind::Negate(operand) | ExpressionKind::Not(operand) => self.names(operand, None),
            ExpressionKind::Binary(_, left, right) | ExpressionKind::Logical(_, left, right) => {
                self.names(left, None);
                self.names(right, None);
            }
            ExpressionKind::If(choice) => {
                self.names(&choice.condition, None);
                self.names(&choice.then, kind);
                self.names(&choice.otherwise, kind);
            }
            ExpressionKind::Shape(parts) | ExpressionKind::Tuple(parts) => {
                parts.iter().for_each(|part| self.names(part, None));
            }
            ExpressionKind::Scan(scan) => {
                scan.slices.iter().for_each(|slices| self.names(&slices.of, None));
                scan.carried.iter().for_each(|carried| self.names(&carried.start, None));
            }
            ExpressionKind::PathCall { arguments, .. } => {
                for argument in arguments {
                    if !self.is_rust_value(argument) {
                        self.names(argument, None);
                    }
                }
            }
            ExpressionKind::Call { function, arguments } if kind == Some(Kind::Initializer) => {
                self.names_of_arguments(arguments, None);
                if let Err(error) = find_initializer(&function.to_string()) {
                    self.error(Location::at(function.span()), error);
                }
            }
            ExpressionKind::Call { function, arguments } => {
                self.names_of_call(function, arguments, expression.location);
            }
        }
    }

    fn names_of_call(&mut self, function: &'a Ident, arguments: &'a Arguments, location: Location) {
        let shared = match self.scopes.find(&function.to_string()) {
            Some(Named::Instance(shared)) => Some(shared.clone()),
            _ => None,
        };
        let called = shared.as_ref().map_or(function, |shared| shared.function);
        let Some(callee) = Callee::find(self.program, called) else {
            self.names_of_arguments(arguments, None);
            self.unknown_function(function);
            return;
        };

        let parameters = callee.parameters();
        let head = Head { name: &callee.name, parameters: &parameters };
        self.names_of_arguments(arguments, Some(head));
        if let Function::Layer(layer) = callee.function {
            self.called.insert(layer.name.to_string());
            self.calls_itself(layer, location);
        }

        // Whether there are as many as are taken, under the names that they have.
        let given = |expression| Given { expression, item: AbstractValue::Unknown };
        let mut handed = Handed {
            positional: arguments.positional.iter().map(given).collect(),
            named: arguments.named.iter().map(|(name, expression)| (name, given(expression))).collect(),
        };
        if let Some(shared) = shared {
            handed.positional.extend(shared.handed.positional);
            handed.named.extend(shared.handed.named);
        }
        let words = handed.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(mistakes) = head.assign(handed.positional.len(), &words) {
            self.mistaken(mistakes, &handed, location);
        }
    }

    fn names_of_arguments(&mut self, arguments: &'a Arguments, head: Option<Head<'_>>) {
        for (position, argument) in arguments.positional.iter().enumerate() {
            self.names(argument, head.and_then(|head| head.kind_at(position)));
        }
        for (name, argument) in &arguments.named {
            self.names(argument, head.and_then(|head| head.kind_of(&name.to_string())));
        }
    }
}

fn known(flag: bool) -> AbstractValue {
    AbstractValue::Known(Argument::Bool(flag))
}

/// A size as such: a whole number from 0 on is one too.
fn size(item: &AbstractValue) -> Option<Dim> {
    match item {
        AbstractValue::Known(Argument::Integer(number)) if *number >= 0 => Some(Dim::from(*number)),
        AbstractValue::Known(Argument::Dim(dim)) => Some(dim.clone()),
        _ => None,
    }
}
