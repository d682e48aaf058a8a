//! Loops: a body for each iteration where they are known and few, else once for all.

use super::checker::Checker;
use super::scope::{AbstractValue, Named};
use crate::syntax::{Expression, Over, Statement};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_nn::composite::Argument;
use downhill_nn::language;
use syn::Ident;

/// A loop with known bounds and no more iterations than this is checked iteration by iteration.
const ITERATIONS_CHECKED: usize = 16;

impl<'a> Checker<'a> {
    pub(super) fn for_loop(&mut self, variable: Option<&'a Ident>, over: &'a Over, body: &'a [Statement]) {
        let iterations = match over {
            Over::Range { from, to } => self.range(from, to),
            Over::List(list) => self.list(list),
        };
        let few = iterations.filter(|iterations| iterations.len() <= ITERATIONS_CHECKED);
        let Some(iterations) = few else { return self.any_iteration(variable, body) };
        for (number, item) in iterations.into_iter().enumerate() {
            let turn =
                if let (Over::Range { .. }, AbstractValue::Known(Argument::Integer(turn))) = (over, &item) {
                    usize::try_from(*turn).unwrap_or(0)
                } else {
                    number
                };
            self.iteration(turn, variable.map(|name| (name, item)), body);
        }
    }

    /// The numbers of a range that is known.
    fn range(&mut self, from: &'a Expression, to: &'a Expression) -> Option<Vec<AbstractValue>> {
        let (start, end) = (self.size(from), self.size(to));
        self.is_known(&start, from, "no loop can count to it", "the number of turns");
        self.is_known(&end, to, "no loop can count to it", "the number of turns");

        let (start, end) = (start.as_constant()?.max(0), end.as_constant()?);
        let count = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        // More are never looked at one by one.
        let count = i64::try_from(count.min(ITERATIONS_CHECKED + 1)).unwrap_or(0);
        Some((start..start + count).map(|turn| AbstractValue::Known(Argument::Integer(turn))).collect())
    }

    /// The sizes of a list that is known.
    fn list(&mut self, list: &'a Expression) -> Option<Vec<AbstractValue>> {
        let item = self.expression(list);
        self.at(list.location);
        match item {
            AbstractValue::Known(Argument::Shape(sizes)) => {
                for size in &sizes {
                    self.is_known(size, list, "no loop can run over it", "the size");
                }
                Some(sizes.into_iter().map(|size| AbstractValue::Known(Argument::Dim(size))).collect())
            }
            AbstractValue::List | AbstractValue::Unknown => None,
            other => {
                if let Some(argument) = other.stand_in() {
                    language::no_list(&self.builder, &argument);
                    self.unsure = true;
                }
                None
            }
        }
    }

    /// Checks one iteration for all.
    fn any_iteration(&mut self, variable: Option<&'a Ident>, body: &'a [Statement]) {
        let before = self.scopes.values();
        let number = variable.map(|name| {
            let fresh = self.builder.fresh_dim(&name.to_string());
            (name, AbstractValue::Known(Argument::Dim(fresh)))
        });
        self.iteration(0, number, body);
        // One iteration stands for all where it keeps every type. A value whose type it changes depends on the number of iterations,
        // so nothing is known of it behind the loop.
        for (depth, name, old) in before {
            let new = self.scopes.get(depth, &name).cloned();
            if new.is_none_or(|new| !same(&old, &new)) {
                self.unsure = true;
                self.scopes.forget(depth, &name);
            }
        }
    }

    fn iteration(
        &mut self,
        number: usize,
        variable: Option<(&'a Ident, AbstractValue)>,
        body: &'a [Statement],
    ) {
        self.scopes.open();
        if let Some((name, item)) = variable {
            self.scopes.declare(&name.to_string(), Named::Fixed("the variable of the loop", item));
        }
        let builder = self.builder.clone();
        builder.turn(number, || self.statements(body));
        self.scopes.close();
    }

    /// What a loop runs over must be known when the network is built.
    fn is_known(&mut self, size: &Dim, written: &'a Expression, so: &str, what: &str) {
        let run = size.symbols().into_iter().find(|symbol| self.run_symbols.contains(&**symbol));
        if let Some(symbol) = run {
            let error = Error::new(format!("`{symbol}` is not known when the network is built, so {so}"));
            let help = format!(
                "give {what} as an argument of the network; the steps of a sequence are a `scan`: `scan step in x along {symbol}, h = zeros([…]) {{ h = …; yield h }}`"
            );
            self.error(written.location, error.help(help));
        }
    }
}

/// True when two values are certainly of the same type.
fn same(old: &AbstractValue, new: &AbstractValue) -> bool {
    match (old, new) {
        (AbstractValue::Known(Argument::Value(old)), AbstractValue::Known(Argument::Value(new))) => {
            old.ty() == new.ty()
        }
        (AbstractValue::Known(Argument::Dim(old)), AbstractValue::Known(Argument::Dim(new))) => old == new,
        (AbstractValue::Known(Argument::Integer(old)), AbstractValue::Known(Argument::Integer(new))) => {
            old == new
        }
        (AbstractValue::Known(Argument::Bool(old)), AbstractValue::Known(Argument::Bool(new))) => old == new,
        (AbstractValue::Flag, AbstractValue::Flag) | (AbstractValue::List, AbstractValue::List) => true,
        // Numbers change no shape: any number stands for any other.
        (
            AbstractValue::Known(Argument::Number(_)) | AbstractValue::Number,
            AbstractValue::Known(Argument::Number(_)) | AbstractValue::Number,
        ) => true,
        (AbstractValue::Unknown, _) => true,
        _ => false,
    }
}
