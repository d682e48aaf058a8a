//! `scan`: the body once, on the types of a slice and of what is carried; values together, and names for each.

use super::checker::Checker;
use super::scope::{AbstractValue, Named};
use crate::signature::axis_called;
use crate::syntax::{Along, Carried, Expression, Location, Scan, Slices, Statement, StatementKind};
use downhill_graph::error::Error;
use downhill_nn::composite::{Argument, Kind};
use downhill_nn::language::{self, ScanHead, SliceOf};
use syn::Ident;

impl<'a> Checker<'a> {
    pub(super) fn scan(&mut self, scan: &'a Scan, location: Location) -> AbstractValue {
        let sliced: Vec<(String, Argument, Argument)> =
            scan.slices.iter().map(|slices| self.sliced(slices)).collect();
        self.slices = scan.slices.iter().map(|slices| slices.name.to_string()).collect();
        let carried: Vec<(String, AbstractValue)> =
            scan.carried.iter().flat_map(|carried| self.start(carried)).collect();
        self.slices.clear();

        let slices: Vec<SliceOf<'_>> = sliced
            .iter()
            .map(|(name, of, axis)| SliceOf { name, of: of.clone(), axis: axis.clone() })
            .collect();
        let initial: Vec<(&str, Argument)> =
            carried.iter().map(|(name, item)| (name.as_str(), self.tensor_of(item.clone()))).collect();
        let head = ScanHead { slices: &slices, carried: &initial, reverse: scan.reverse };

        let builder = self.builder.clone();
        self.at(location);
        let given = language::scan(&builder, &head, |slices, carried| {
            self.scopes.open_body();
            self.yields.push(Vec::new());
            for (slice, item) in scan.slices.iter().zip(slices) {
                let item = self.known(item);
                self.take_name(&slice.name, Named::Fixed("a slice", item));
            }
            let names: Vec<_> = scan.carried.iter().flat_map(|carried| &carried.names).collect();
            for (name, item) in names.iter().zip(carried) {
                let item = self.known(item);
                self.take_name(name, Named::Value(item));
            }

            self.statements(&scan.body);
            self.all_change(scan);
            let next = names.iter().map(|name| match self.scopes.here(&name.to_string()) {
                Some(Named::Value(item)) => self.tensor_of(item.clone()),
                _ => Argument::Unknown,
            });
            let next = next.collect();
            let yields = self.yields.pop().unwrap_or_default();
            let yields = yields.into_iter().map(|item| self.tensor_of(item)).collect();
            self.scopes.close_body();
            self.at(location);
            (next, yields)
        });
        self.known(given)
    }

    /// What is carried and never bound anew stays what it was before the first iteration.
    fn all_change(&mut self, scan: &Scan) {
        fn binds(name: &Ident, body: &[Statement]) -> bool {
            body.iter().any(|statement| match &statement.kind {
                StatementKind::Rebind { names, .. } | StatementKind::Broken(names) => names.contains(name),
                StatementKind::For { body, .. } => binds(name, body),
                _ => false,
            })
        }
        for name in
            scan.carried.iter().flat_map(|carried| &carried.names).filter(|name| !binds(name, &scan.body))
        {
            let error =
                Error::new(format!("`{name}` is carried, but stays what it was before the first iteration"));
            let help = format!(
                "bind it anew in the body, `{name} = …;`; what never changes is seen without being carried"
            );
            self.error(Location::at(name.span()), error.help(help));
        }
    }

    /// Declares a name of a scan's head in its body.
    fn take_name(&mut self, name: &Ident, named: Named<'a>) {
        if self.scopes.here(&name.to_string()).is_some() {
            let error = Error::new(format!("`{name}` stands twice in the head of the scan"));
            return self.error(Location::at(name.span()), error.help("take another name"));
        }
        self.scopes.declare(&name.to_string(), named);
    }

    /// A slice's name, what it is taken of, and the axis.
    fn sliced(&mut self, slices: &'a Slices) -> (String, Argument, Argument) {
        let item = self.expression(&slices.of);
        let of = self.tensor_of(item);
        let axis = match &slices.along {
            Along::Axis(axis) => Argument::Integer(*axis),
            Along::Size(size) => match axis_called(&self.typed, &slices.of, size) {
                Some(axis) => Argument::Integer(axis as i64),
                None => self.axis_of_size(&of, size),
            },
        };
        (slices.name.to_string(), of, axis)
    }

    fn axis_of_size(&mut self, of: &Argument, size: &'a Ident) -> Argument {
        let text = size.to_string();
        let item = match self.scopes.find(&text) {
            Some(_) => self.name(size),
            None => self.unknown_size(size),
        };
        self.at(Location::at(size.span()));
        let size = self.plain(item, Kind::Any);
        language::axis(&self.builder, of, &text, &size)
    }

    /// Names of what is carried, with the values before the first iteration.
    fn start(&mut self, carried: &'a Carried) -> Vec<(String, AbstractValue)> {
        let names: Vec<String> = carried.names.iter().map(ToString::to_string).collect();
        let item = self.bound(&names[0], &carried.start);
        self.at(carried.start.location);
        let items = if names.len() == 1 { vec![item] } else { self.unpacked(&names, item) };
        names.into_iter().zip(items).collect()
    }

    fn tensor_of(&self, item: AbstractValue) -> Argument {
        self.plain(item, Kind::Tensor)
    }

    /// `yield value`.
    pub(super) fn yielded(&mut self, value: &'a Expression, location: Location) {
        let item = self.bound("yield", value);
        if !self.scopes.is_body() {
            let error = Error::new("`yield` stands straight in the body of a `scan`");
            return self.error(location, error.help("elsewhere a value gets a name: `let y = …;`"));
        }
        if let Some(yields) = self.yields.last_mut() {
            yields.push(item);
        }
    }

    /// `(a, b)`.
    pub(super) fn together(&mut self, parts: &'a [Expression], location: Location) -> AbstractValue {
        let parts: Vec<Argument> = parts
            .iter()
            .map(|part| {
                let item = self.expression(part);
                self.tensor_of(item)
            })
            .collect();
        self.at(location);
        let given = language::together(&self.builder, &parts);
        self.known(given)
    }

    /// What each of several names stands for.
    pub(super) fn unpacked(&mut self, names: &[String], item: AbstractValue) -> Vec<AbstractValue> {
        let Some(argument) = item.stand_in() else { return vec![AbstractValue::Unknown; names.len()] };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let items = language::unpack(&self.builder, &names, &argument);
        items.into_iter().map(|item| self.known(item)).collect()
    }
}
