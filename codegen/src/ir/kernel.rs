//! Kernel IR: a tree of loops over named axes around scalar statements.
//!
//! Out: [`Kernel`]. Its text form is what `DOWNHILL_DUMP=kernel` shows.
//!
//! Must hold:
//! - a value is set once, before it is used, in the same body or an enclosing one;
//! - a loop's accumulators are visible after it, in the body that holds the loop; what they have come to so far is seen in its body, if
//!   it has a name there;
//! - an access names axes of enclosing loops only;
//! - the iterations of a loop without accumulators are independent: they may run in any order, and in parallel. Scratch alone may be
//!   passed on from one to the next, in ascending order, within an iteration of the outermost loop;
//! - so do those of a loop around a store that a value moves, unless the rest of its position moves with the loop: they may store to one
//!   element;
//! - those of a loop whose body itself uses what an accumulator has come to run in order (`ir/chain.rs`); only such a
//!   fold may store in its body;
//! - in a body, stores stand last;
//! - fused multiply-adds exist here already, as an accumulator's [`Term::Product`]; no later stage forms or splits one.

use crate::ir::affine::{Affine, Axis};
use downhill_graph::dim::Dim;
use downhill_graph::graph::bug;
use downhill_graph::hash::Set;
use downhill_graph::op::{Binary, Compare, Reduction, Unary};
use downhill_graph::types::{ElementType, Literal};
use std::fmt;

/// A scalar of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Memory that a kernel reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Buffer {
    /// The entry's n-th input.
    Input(usize),
    /// The entry's n-th storage.
    Storage(usize),
    /// The entry's n-th output.
    Output(usize),
    /// This step's element of the list of losses.
    Loss,
    /// An intermediate value, the n-th buffer of the arena.
    Arena(usize),
    /// No memory: what is stored here is watched, and stops the step where it is infinite or NaN. It is never read.
    Watched,
    /// Scratch of this kernel alone, the n-th buffer of the arena. Each iteration of the outermost loop writes what it reads there, and each
    /// of the threads that share the kernel has a part of its own.
    Scratch(usize),
}

/// One kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// For reports: what it makes.
    pub name: String,
    /// Number of iterations of each axis' loop.
    pub extents: Vec<Dim>,
    /// Element type of each value.
    pub values: Vec<ElementType>,
    /// The code.
    pub body: Vec<Item>,
}

/// A statement or a loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// Sets a value.
    Let(ValueId, Expression),
    /// Writes an element.
    Store(Buffer, Access, ValueId),
    /// Runs the body for each index of an axis.
    Loop(Loop),
}

/// A loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Loop {
    /// Over what.
    pub axis: Axis,
    /// What it folds; empty for a loop whose iterations are independent.
    pub accumulators: Vec<Accumulator>,
    /// One iteration.
    pub body: Vec<Item>,
}

/// A fold over a loop's iterations, in ascending order (or in the fixed tree of a lane loop).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accumulator {
    /// How it combines.
    pub kind: Reduction,
    /// The value that it starts from; that of a fold of nothing when `None`.
    pub from: Option<ValueId>,
    /// Its value at the start of an iteration, for the loop's body to see.
    pub inside: Option<ValueId>,
    /// The result, visible after the loop.
    pub result: ValueId,
    /// What is folded in.
    pub term: Term,
}

/// What an accumulator folds in each iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// A value of the body.
    Value(ValueId),
    /// `a·b`, added with one rounding (sums only).
    Product(ValueId, ValueId),
    /// Nothing: this value of the body, which was made from the accumulator's own, is the next one. So a fold over several axes is one
    /// sequence: the loop inside starts from what this one has come to, and this one goes on with its result. And so a cumulative sum
    /// stores each of its values.
    Next(ValueId),
}

impl Term {
    /// The values of the loop's body that it takes.
    pub(crate) fn operands(self) -> Vec<ValueId> {
        match self {
            Term::Value(x) | Term::Next(x) => vec![x],
            Term::Product(x, y) => vec![x, y],
        }
    }

    fn map(self, name: &dyn Fn(ValueId) -> ValueId) -> Term {
        match self {
            Term::Value(x) => Term::Value(name(x)),
            Term::Next(x) => Term::Next(name(x)),
            Term::Product(x, y) => Term::Product(name(x), name(y)),
        }
    }
}

impl Accumulator {
    /// A fold of terms that starts from nothing.
    pub fn new(kind: Reduction, result: ValueId, term: Term) -> Accumulator {
        Accumulator { kind, from: None, inside: None, result, term }
    }

    /// The values that it takes: its term's, and what it starts from.
    pub(crate) fn operands(&self) -> impl Iterator<Item = ValueId> {
        self.term.operands().into_iter().chain(self.from)
    }
}

/// The element `at` of a buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// `Some((axis, plus))`: the row is `rows[axis + plus]` of a looked-up input, and `at` is the position in that row.
    pub row: Option<(Axis, i64)>,
    /// Position, in elements.
    pub at: Affine,
    /// An i32 that is not negative: so many elements further on.
    pub by: Option<ValueId>,
}

/// What a value is set to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expression {
    /// A literal.
    Constant(Literal),
    /// An element.
    Load(Buffer, Access),
    /// An index, as i32.
    Index(Affine),
    /// The value of a dim.
    Dim(Dim),
    /// The random bits of the element at a position of a stream.
    Random(u32, Affine),
    /// A function of one value.
    Unary(Unary, ValueId),
    /// A function of two values.
    Binary(Binary, ValueId, ValueId),
    /// A comparison.
    Compare(Compare, ValueId, ValueId),
    /// mask, then, otherwise.
    Select(ValueId, ValueId, ValueId),
    /// To the value's own element type.
    Convert(ValueId),
}

impl Expression {
    /// The values that it takes.
    pub(crate) fn operands(&self) -> Vec<ValueId> {
        match *self {
            Expression::Unary(_, x) | Expression::Convert(x) => vec![x],
            Expression::Binary(_, x, y) | Expression::Compare(_, x, y) => vec![x, y],
            Expression::Select(mask, x, y) => vec![mask, x, y],
            Expression::Load(_, ref access) => access.by.into_iter().collect(),
            Expression::Constant(_) | Expression::Index(_) | Expression::Dim(_) | Expression::Random(..) => {
                Vec::new()
            }
        }
    }

    /// The expression with its operands renamed.
    pub(crate) fn map_operands(&self, name: &dyn Fn(ValueId) -> ValueId) -> Expression {
        match self {
            Expression::Unary(unary, x) => Expression::Unary(*unary, name(*x)),
            Expression::Binary(binary, x, y) => Expression::Binary(*binary, name(*x), name(*y)),
            Expression::Compare(compare, x, y) => Expression::Compare(*compare, name(*x), name(*y)),
            Expression::Select(mask, x, y) => Expression::Select(name(*mask), name(*x), name(*y)),
            Expression::Convert(x) => Expression::Convert(name(*x)),
            Expression::Load(buffer, access) => Expression::Load(*buffer, access.renamed(name)),
            Expression::Constant(_) | Expression::Index(_) | Expression::Dim(_) | Expression::Random(..) => {
                self.clone()
            }
        }
    }
}

impl Kernel {
    /// The type of a value.
    pub fn element(&self, value: ValueId) -> ElementType {
        self.values[value.0 as usize]
    }

    /// Visits every item, outer before inner.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Item)) {
        visit_items(&self.body, visit);
    }

    /// Every load and store: (buffer, access, is a store).
    pub fn accesses(&self) -> Vec<(Buffer, &Access, bool)> {
        let mut found = Vec::new();
        self.visit(&mut |item| match item {
            Item::Let(_, Expression::Load(buffer, access)) => found.push((*buffer, access, false)),
            Item::Store(buffer, access, _) => found.push((*buffer, access, true)),
            _ => {}
        });
        found
    }

    /// The type of the elements of a buffer that it reads or writes.
    pub(crate) fn element_of(&self, buffer: Buffer) -> ElementType {
        let mut found = None;
        self.visit(&mut |item| match item {
            Item::Let(value, Expression::Load(from, _)) if *from == buffer => found = Some(*value),
            Item::Store(to, _, value) if *to == buffer => found = Some(*value),
            _ => {}
        });
        match found {
            Some(value) => self.element(value),
            None => bug(&format!("{buffer} is neither read nor written")),
        }
    }

    /// The kernel with its buffers changed.
    pub(crate) fn map_buffers(&self, change: &mut dyn FnMut(Buffer) -> Buffer) -> Kernel {
        let mut kernel = self.clone();
        change_buffers(&mut kernel.body, change);
        kernel
    }

    /// Applies `change` to every dim, which makes a variant for fixed sizes.
    pub fn map_dims(&self, change: &dyn Fn(&Dim) -> Dim) -> Kernel {
        Kernel {
            name: self.name.clone(),
            extents: self.extents.iter().map(change).collect(),
            values: self.values.clone(),
            body: map_items(&self.body, &|at| at.map_dims(change), change),
        }
    }
}

/// Visits every item, outer before inner.
pub(crate) fn visit_items<'a>(items: &'a [Item], visit: &mut dyn FnMut(&'a Item)) {
    for item in items {
        visit(item);
        if let Item::Loop(inner) = item {
            visit_items(&inner.body, visit);
        }
    }
}

fn change_buffers(items: &mut [Item], change: &mut dyn FnMut(Buffer) -> Buffer) {
    for item in items {
        match item {
            Item::Let(_, Expression::Load(buffer, _)) | Item::Store(buffer, _, _) => {
                *buffer = change(*buffer)
            }
            Item::Let(..) => {}
            Item::Loop(inner) => change_buffers(&mut inner.body, change),
        }
    }
}

/// The items with every index and every dim changed.
pub(crate) fn map_items(
    items: &[Item],
    index: &dyn Fn(&Affine) -> Affine,
    dim: &dyn Fn(&Dim) -> Dim,
) -> Vec<Item> {
    let access = |a: &Access| Access { at: index(&a.at), ..a.clone() };
    let map = |item: &Item| match item {
        Item::Let(value, Expression::Load(buffer, at)) => {
            Item::Let(*value, Expression::Load(*buffer, access(at)))
        }
        Item::Let(value, Expression::Index(at)) => Item::Let(*value, Expression::Index(index(at))),
        Item::Let(value, Expression::Random(stream, at)) => {
            Item::Let(*value, Expression::Random(*stream, index(at)))
        }
        Item::Let(value, Expression::Dim(size)) => Item::Let(*value, Expression::Dim(dim(size))),
        Item::Let(value, other) => Item::Let(*value, other.clone()),
        Item::Store(buffer, at, value) => Item::Store(*buffer, access(at), *value),
        Item::Loop(inner) => Item::Loop(Loop { body: map_items(&inner.body, index, dim), ..inner.clone() }),
    };
    items.iter().map(map).collect()
}

/// The items with their values renamed.
pub(crate) fn rename_values(items: &[Item], name: &dyn Fn(ValueId) -> ValueId) -> Vec<Item> {
    let accumulator = |a: &Accumulator| Accumulator {
        kind: a.kind,
        from: a.from.map(name),
        inside: a.inside.map(name),
        result: name(a.result),
        term: a.term.map(name),
    };

    let rename = |item: &Item| match item {
        Item::Let(value, expression) => Item::Let(name(*value), expression.map_operands(name)),
        Item::Store(buffer, at, value) => Item::Store(*buffer, at.renamed(name), name(*value)),
        Item::Loop(inner) => Item::Loop(Loop {
            axis: inner.axis,
            accumulators: inner.accumulators.iter().map(accumulator).collect(),
            body: rename_values(&inner.body, name),
        }),
    };

    items.iter().map(rename).collect()
}

impl Access {
    /// The element at a position.
    pub fn at(at: Affine) -> Access {
        Access { row: None, at, by: None }
    }

    /// What moves it renamed.
    fn renamed(&self, name: &dyn Fn(ValueId) -> ValueId) -> Access {
        Access { by: self.by.map(name), ..self.clone() }
    }

    /// Whether it depends on the counter of `axis`, other than by the value that moves it.
    pub(crate) fn uses(&self, axis: Axis) -> bool {
        self.at.terms.contains_key(&axis) || self.row.is_some_and(|(row, _)| row == axis)
    }
}

/// `value = buffer[at]`.
pub(crate) fn load(value: ValueId, buffer: Buffer, at: Affine) -> Item {
    Item::Let(value, Expression::Load(buffer, Access::at(at)))
}

/// `buffer[at] = value`.
pub(crate) fn store(buffer: Buffer, at: Affine, value: ValueId) -> Item {
    Item::Store(buffer, Access::at(at), value)
}

/// Loops over these axes that fold nothing, the outermost first.
pub(crate) fn nest(axes: &[Axis], body: Vec<Item>) -> Vec<Item> {
    let around = |body, &axis: &Axis| vec![Item::Loop(Loop { axis, accumulators: Vec::new(), body })];
    axes.iter().rev().fold(body, around)
}

/// Collects the values of `items` that depend on the counter of `axis`.
pub(crate) fn dependents(items: &[Item], axis: Axis, differ: &mut Set<ValueId>) {
    for item in items {
        match item {
            Item::Let(value, expression) => {
                let depends = match expression {
                    Expression::Load(_, access) => {
                        access.uses(axis) || access.by.is_some_and(|by| differ.contains(&by))
                    }
                    Expression::Index(at) | Expression::Random(_, at) => at.terms.contains_key(&axis),
                    Expression::Constant(_)
                    | Expression::Dim(_)
                    | Expression::Unary(..)
                    | Expression::Convert(_)
                    | Expression::Binary(..)
                    | Expression::Compare(..)
                    | Expression::Select(..) => {
                        expression.operands().iter().any(|operand| differ.contains(operand))
                    }
                };
                if depends {
                    differ.insert(*value);
                }
            }
            Item::Store(..) => {}
            Item::Loop(inner) => {
                // What an accumulator has come to differs in the body as soon as its terms do, or what it starts from.
                let mut again = true;
                while again {
                    dependents(&inner.body, axis, differ);
                    again = false;
                    for accumulator in &inner.accumulators {
                        if accumulator.operands().any(|value| differ.contains(&value)) {
                            differ.insert(accumulator.result);
                            again |= accumulator.inside.is_some_and(|inside| differ.insert(inside));
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel {}", self.name)?;
        write_items(f, self, &self.body, 1)
    }
}

fn write_items(f: &mut fmt::Formatter<'_>, kernel: &Kernel, items: &[Item], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for item in items {
        match item {
            Item::Let(value, expression) => writeln!(f, "{indent}{value} = {expression}")?,
            Item::Store(buffer, access, value) => writeln!(f, "{indent}{buffer}{access} = {value}")?,
            Item::Loop(inner) => {
                writeln!(f, "{indent}for {} in 0..{}", inner.axis, kernel.extents[inner.axis.0 as usize])?;
                write_items(f, kernel, &inner.body, depth + 1)?;
                for Accumulator { kind, from, inside, result, term } in &inner.accumulators {
                    write!(f, "{indent}  {result} = {kind:?} {term}")?;
                    from.map_or(Ok(()), |from| write!(f, " from {from}"))?;
                    inside.map_or(Ok(()), |inside| write!(f, " inside {inside}"))?;
                    writeln!(f)?;
                }
            }
        }
    }
    Ok(())
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Buffer::Input(n) => write!(f, "input{n}"),
            Buffer::Storage(n) => write!(f, "storage{n}"),
            Buffer::Output(n) => write!(f, "output{n}"),
            Buffer::Loss => f.write_str("loss"),
            Buffer::Watched => f.write_str("watched"),
            Buffer::Arena(n) => write!(f, "arena{n}"),
            Buffer::Scratch(n) => write!(f, "scratch{n}"),
        }
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self
            .terms
            .iter()
            .map(|(axis, c)| match c.terms().count() {
                _ if c.is(1) => axis.to_string(),
                0 | 1 => format!("{c}*{axis}"),
                _ => format!("({c})*{axis}"),
            })
            .collect();
        if !self.constant.is(0) || parts.is_empty() {
            parts.push(self.constant.to_string());
        }
        f.write_str(&parts.join(" + "))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some((axis, 0)) => write!(f, "[rows[{axis}]; {}", self.at)?,
            Some((axis, plus)) => write!(f, "[rows[{axis} + {plus}]; {}", self.at)?,
            None => write!(f, "[{}", self.at)?,
        }
        self.by.map_or(Ok(()), |by| write!(f, " + {by}"))?;
        f.write_str("]")
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Value(value) => write!(f, "{value}"),
            Term::Product(a, b) => write!(f, "{a} * {b}"),
            Term::Next(value) => write!(f, "next {value}"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Constant(literal) => write!(f, "{literal}"),
            Expression::Load(buffer, access) => write!(f, "{buffer}{access}"),
            Expression::Index(at) => write!(f, "index {at}"),
            Expression::Dim(dim) => write!(f, "dim {dim}"),
            Expression::Random(stream, at) => write!(f, "random{stream} {at}"),
            Expression::Unary(unary, x) => write!(f, "{unary:?} {x}"),
            Expression::Binary(binary, x, y) => write!(f, "{binary:?} {x} {y}"),
            Expression::Compare(compare, x, y) => write!(f, "{compare:?} {x} {y}"),
            Expression::Select(mask, x, y) => write!(f, "Select {mask} {x} {y}"),
            Expression::Convert(x) => write!(f, "Convert {x}"),
        }
    }
}
