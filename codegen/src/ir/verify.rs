//! The verifier of kernel IR.
//!
//! In: a kernel. Out: every violation, in words. Run after each stage that makes or changes kernels, in debug builds and tests.
//!
//! What it checks:
//! - a value is set once, and used only after that, in the same body or one inside it;
//! - an accumulator's result is set by its loop and seen behind it; its terms are values of the loop's body, where its value so far is
//!   seen; it starts from a value set before the loop; what names its next value names its value so far;
//! - a loop that folds stores in its body only if it runs in order;
//! - what moves an access is an i32 that is set before it;
//! - accesses, indices and random positions name axes of enclosing loops only, and no loop runs inside one over the same axis;
//! - in a body, no load of a buffer comes after a store to it, and nothing but stores comes after a store;
//! - operands have the types that their expression takes: a mask selects, both sides of an operation are of one type.

use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::is_ordered;
use crate::ir::kernel::{Access, Expression, Item, Kernel, Loop, Term, ValueId};
use downhill_graph::graph::bug;
use downhill_graph::types::ElementType;
use std::collections::HashSet;

/// Reports a kernel that breaks a rule as downhill's bug.
///
/// # Panics
/// When there is a violation.
pub(crate) fn assert_valid(kernel: &Kernel) {
    let violations = verify(kernel);
    if !violations.is_empty() {
        bug(&format!("an invalid kernel:\n{}\n{kernel}", violations.join("\n")));
    }
}

/// Every violation of the rules.
pub fn verify(kernel: &Kernel) -> Vec<String> {
    let mut check = Check {
        kernel,
        set: Vec::new(),
        seen: HashSet::new(),
        ever: HashSet::new(),
        open: Vec::new(),
        violations: Vec::new(),
    };
    check.body(&kernel.body);
    check.violations
}

struct Check<'a> {
    kernel: &'a Kernel,
    /// Values visible here, in the order in which they were set.
    set: Vec<ValueId>,
    /// The same.
    seen: HashSet<ValueId>,
    /// Values set anywhere so far.
    ever: HashSet<ValueId>,
    open: Vec<Axis>,
    violations: Vec<String>,
}

impl Check<'_> {
    fn body(&mut self, items: &[Item]) {
        let mut stored = false;
        for item in items {
            match item {
                Item::Let(value, expression) => {
                    self.expression(*value, expression);
                    self.define(*value);
                }
                Item::Store(buffer, access, value) => {
                    self.access(access);
                    self.uses(*value, &format!("the store to {buffer}"));
                }
                Item::Loop(inner) => self.inner(inner),
            }

            let is_store = matches!(item, Item::Store(..));
            self.require(is_store || !stored, || "something other than a store comes after a store".into());
            stored |= is_store;
        }
    }

    fn inner(&mut self, inner: &Loop) {
        let axis = inner.axis;
        self.require(!self.open.contains(&axis), || format!("a loop over {axis} inside one over it"));
        self.require((axis.0 as usize) < self.kernel.extents.len(), || format!("{axis} has no extent"));

        inner.accumulators.iter().filter_map(|accumulator| accumulator.from).for_each(|from| {
            self.uses(from, "an accumulator");
        });
        let outside = self.set.len();
        self.open.push(axis);
        inner.accumulators.iter().filter_map(|accumulator| accumulator.inside).for_each(|inside| {
            self.define(inside);
        });
        self.body(&inner.body);

        let stores = inner.body.iter().any(|item| matches!(item, Item::Store(..)));
        let apart = inner.accumulators.is_empty() || is_ordered(inner);
        self.require(apart || !stores, || format!("the fold over {axis} stores, in no order"));

        for accumulator in &inner.accumulators {
            let mut values = accumulator.term.operands();
            values.iter().for_each(|&term| self.uses(term, "an accumulator"));
            let goes_on = !matches!(accumulator.term, Term::Next(_)) || accumulator.inside.is_some();
            self.require(goes_on, || format!("{} does not go on from itself", accumulator.result));
            values.extend(accumulator.from.into_iter().chain(accumulator.inside).chain([accumulator.result]));
            self.same(&values, accumulator.result);
        }

        self.open.pop();
        for value in self.set.drain(outside..) {
            self.seen.remove(&value);
        }
        inner.accumulators.iter().for_each(|accumulator| self.define(accumulator.result));
    }

    fn define(&mut self, value: ValueId) {
        let again = !self.ever.insert(value);
        self.require(!again, || format!("{value} is set twice"));
        self.require((value.0 as usize) < self.kernel.values.len(), || format!("{value} has no type"));
        self.set.push(value);
        self.seen.insert(value);
    }

    fn uses(&mut self, value: ValueId, by: &str) {
        let seen = self.seen.contains(&value);
        self.require(seen, || format!("{by} uses {value}, which is not set there"));
    }

    fn expression(&mut self, value: ValueId, expression: &Expression) {
        let by = value.to_string();
        match expression {
            Expression::Constant(_) | Expression::Dim(_) => {}
            Expression::Load(_, access) => self.access(access),
            Expression::Index(at) | Expression::Random(_, at) => self.affine(at),
            Expression::Unary(_, x) | Expression::Convert(x) => self.uses(*x, &by),
            Expression::Binary(_, x, y) | Expression::Compare(_, x, y) => {
                self.uses(*x, &by);
                self.uses(*y, &by);
                self.same(&[*x, *y], value);
            }
            Expression::Select(mask, x, y) => {
                [mask, x, y].into_iter().for_each(|operand| self.uses(*operand, &by));
                self.same(&[*x, *y, value], value);
                let is_mask = self.kernel.element(*mask) == ElementType::Bool;
                self.require(is_mask, || format!("{mask} is no mask, in {by}"));
            }
        }
    }

    fn same(&mut self, values: &[ValueId], by: ValueId) {
        let alike =
            values.windows(2).all(|pair| self.kernel.element(pair[0]) == self.kernel.element(pair[1]));
        self.require(alike, || format!("operands of different types, in {by}"));
    }

    fn access(&mut self, access: &Access) {
        self.affine(&access.at);
        if let Some((axis, _)) = access.row {
            self.axis(axis);
        }
        if let Some(by) = access.by {
            self.uses(by, "an access");
            let whole = self.kernel.element(by) == ElementType::I32;
            self.require(whole, || format!("an access is moved by {by}, which is no i32"));
        }
    }

    fn affine(&mut self, at: &Affine) {
        at.terms.keys().for_each(|axis| self.axis(*axis));
    }

    fn axis(&mut self, axis: Axis) {
        let open = self.open.contains(&axis);
        self.require(open, || format!("{axis} is used outside its loop"));
    }

    fn require(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(violation());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::kernel::{Accumulator, Buffer};
    use downhill_graph::dim::Dim;
    use downhill_graph::op::Reduction;
    use downhill_graph::types::Literal;

    fn kernel(body: Vec<Item>) -> Kernel {
        Kernel { name: "test".into(), extents: vec![Dim::from(3)], values: vec![ElementType::F32; 2], body }
    }

    #[test]
    fn violations_are_found_and_right_kernels_pass() {
        let one =
            |value| Item::Let(ValueId(value), Expression::Constant(Literal::new(ElementType::F32, 1.0)));
        let element = Access::at(Affine::axis(Axis(0)));
        let store = Item::Store(Buffer::Output(0), element.clone(), ValueId(0));
        let looped = |body| Item::Loop(Loop { axis: Axis(0), accumulators: Vec::new(), body });
        assert_eq!(verify(&kernel(vec![looped(vec![one(0), store.clone()])])), Vec::<String>::new());
        let says = |body: Vec<Item>, words: &str| {
            let found = verify(&kernel(body));
            assert!(found.iter().any(|violation| violation.contains(words)), "{found:?}");
        };
        says(vec![one(0), store.clone()], "outside its loop");
        says(vec![looped(vec![store.clone()])], "not set there");
        says(vec![one(0), one(0)], "set twice");
        says(vec![looped(vec![one(0), store.clone(), one(1)])], "after a store");
        says(vec![looped(vec![looped(vec![])])], "inside one over it");
        says(
            vec![
                looped(vec![one(1)]),
                one(0),
                looped(vec![Item::Store(Buffer::Output(0), element, ValueId(1))]),
            ],
            "not set there",
        );

        // A fold that stores what it has come to must see it.
        let fold = |inside, term| {
            let accumulator = Accumulator { inside, ..Accumulator::new(Reduction::Sum, ValueId(1), term) };
            let element = Access::at(Affine::axis(Axis(0)));
            let body = vec![one(0), Item::Store(Buffer::Output(0), element, ValueId(0))];
            vec![Item::Loop(Loop { axis: Axis(0), accumulators: vec![accumulator], body })]
        };
        says(fold(None, Term::Next(ValueId(0))), "does not go on");
        says(fold(None, Term::Value(ValueId(0))), "in no order");
        let mut ordered = kernel(fold(Some(ValueId(2)), Term::Next(ValueId(0))));
        ordered.values.push(ElementType::F32);
        assert_eq!(verify(&ordered), Vec::<String>::new());
    }
}
