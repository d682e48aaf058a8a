//! What kernels cost: their arithmetic, the memory they touch, and the time a machine needs for them.
//!
//! In: kernels, each with its lane loops. Out: a [`Cost`], polynomials over the sizes that are not known; for known sizes it becomes
//! [`Counted`], from which a [`Speed`] gives seconds. The choice of lane loops depends on another, coarser estimate that must not
//! change: [`work`], in vector statements.
//!
//! How it is counted. A value is computed once for every iteration of the loops that it depends on. A function of
//! [`crate::lane::math`] counts as the instructions of its lane program. Memory is counted by distinct elements: what a kernel
//! reads twice through one index counts once; overlapping accesses through different indices count each. Scratch stays in
//! cache and does not count.

mod vectors;

pub(crate) use vectors::{FOLD_LANES, Width, statement, vectors};
pub use vectors::{assumed_turns, work};

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, Loop, Term, ValueId};
use crate::lane::scalar;
use crate::lane::{self, Address, Instruction, Integer, ProgramBuilder};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::op::{Binary, Unary};
use downhill_graph::types::ElementType;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vectors::{access_cost, depends};

/// Lanes of a vector, whatever the target.
const WIDTH: i64 = 16;

/// The work of kernels, for any sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations: sums, products, quotients, roots, greatest and least; a fused multiply-add is two.
    pub arithmetic: Dim,
    /// Instructions of any kind in lane loops, counted for each element, in units of a multiply-add.
    pub wide: Dim,
    /// Instructions outside of lane loops: a scalar one takes as long as one of a whole vector.
    pub narrow: Dim,
    /// Bytes of the elements that are read.
    pub read: Dim,
    /// Bytes of the elements that are written.
    pub written: Dim,
    /// Bytes of the elements that are updated in place; they are part of `read` and of `written` as well.
    pub updated: Dim,
}

/// A [`Cost`] for known sizes, in the same units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of `Cost`")]
pub struct Counted {
    pub arithmetic: u64,
    pub wide: u64,
    pub narrow: u64,
    pub read: u64,
    pub written: u64,
    pub updated: u64,
}

/// How fast one core is.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// Floating-point operations a second of independent fused multiply-adds.
    pub arithmetic: f64,
    /// Elements of a vector.
    pub lanes: u32,
    /// Levels of memory, from the fastest on.
    pub levels: Vec<MemoryLevel>,
}

/// A level of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryLevel {
    /// Its capacity: a working set of at most so many bytes stays in it.
    pub bytes: u64,
    /// Bytes read a second where nothing is written.
    pub read: f64,
    /// Bytes read and written a second in a copy.
    pub copy: f64,
    /// Bytes read and written a second in an update in place.
    pub update: f64,
}

impl Speed {
    /// The level that holds a working set of so many bytes; the last one if none does.
    pub fn level(&self, bytes: u64) -> Option<MemoryLevel> {
        let found = self.levels.iter().find(|level| bytes <= level.bytes);
        found.or(self.levels.last()).copied()
    }
}

impl std::ops::Add for Counted {
    type Output = Counted;

    fn add(self, other: Counted) -> Counted {
        Counted {
            arithmetic: self.arithmetic + other.arithmetic,
            wide: self.wide + other.wide,
            narrow: self.narrow + other.narrow,
            read: self.read + other.read,
            written: self.written + other.written,
            updated: self.updated + other.updated,
        }
    }
}

impl Counted {
    /// Bytes read and written.
    pub fn bytes(&self) -> u64 {
        self.read + self.written
    }

    /// Instructions, with vectors of so many elements.
    pub fn instructions(&self, lanes: u32) -> f64 {
        self.wide as f64 / f64::from(lanes.max(1)) + self.narrow as f64
    }

    /// Seconds that the instructions take if none waits for another.
    pub fn computing(&self, speed: &Speed) -> f64 {
        let multiply_adds = speed.arithmetic / (2.0 * f64::from(speed.lanes.max(1)));
        self.instructions(speed.lanes) / multiply_adds
    }

    /// Seconds that it takes to move what is read and written.
    pub fn moving(&self, speed: &Speed) -> f64 {
        let Some(level) = speed.level(self.bytes() - self.updated) else { return 0.0 };
        let (in_place, moved) = (2 * self.updated, self.bytes() - 2 * self.updated);
        let alone = self.read.saturating_sub(self.written);
        in_place as f64 / level.update + (moved - alone) as f64 / level.copy + alone as f64 / level.read
    }

    /// Seconds of it all: memory is accessed while instructions run, so the longer of the two.
    pub fn seconds(&self, speed: &Speed) -> f64 {
        self.computing(speed).max(self.moving(speed))
    }
}

impl Cost {
    /// Cost of kernels that one function runs one after another, each with its lane loops.
    pub fn of<'k>(kernels: impl IntoIterator<Item = (&'k Kernel, &'k BTreeSet<Axis>)>) -> Cost {
        let (mut cost, mut touched, mut functions) = (Cost::default(), BTreeSet::new(), HashMap::new());
        for (kernel, lanes) in kernels {
            let depths = HashMap::new();
            let mut count =
                Count { kernel, lanes, cost: &mut cost, depths, functions: &mut functions, path: Vec::new() };
            count.items(&kernel.body);
            let accesses = kernel.accesses().into_iter();
            let outside =
                accesses.filter(|(buffer, ..)| !matches!(buffer, Buffer::Scratch(_) | Buffer::Watched));
            touched.extend(outside.map(|(buffer, access, store)| {
                (buffer, Footprint::new(kernel, access), kernel.element_of(buffer).bytes(), store)
            }));
        }

        // Each distinct footprint counts once, over all kernels.
        for (buffer, footprint, width, store) in &touched {
            let bytes = &footprint.elements() * &Dim::from(*width);
            let sum = if *store { &mut cost.written } else { &mut cost.read };
            *sum = &*sum + &bytes;
            if *store && touched.contains(&(*buffer, footprint.clone(), *width, false)) {
                cost.updated = &cost.updated + &bytes;
            }
        }
        cost
    }

    /// One number for all of it, in units of about 1/60 ns on a fast core: each byte counts one, each instruction in a lane loop one for
    /// each element, and each other instruction sixteen.
    pub fn total(&self) -> Dim {
        let vector = Dim::from(WIDTH);
        [&self.narrow * &vector, self.read.clone(), self.written.clone()]
            .iter()
            .fold(self.wide.clone(), |sum, part| &sum + part)
    }

    /// So many times the same.
    #[must_use]
    pub fn times(&self, turns: &Dim) -> Cost {
        let times = |dim: &Dim| dim * turns;
        Cost {
            arithmetic: times(&self.arithmetic),
            wide: times(&self.wide),
            narrow: times(&self.narrow),
            read: times(&self.read),
            written: times(&self.written),
            updated: times(&self.updated),
        }
    }

    /// For these sizes; `None` where one is missing or a number overflows.
    pub fn at(&self, sizes: &Bindings) -> Option<Counted> {
        let value = |dim: &Dim| dim.evaluate(sizes).ok().and_then(|value| u64::try_from(value).ok());
        Some(Counted {
            arithmetic: value(&self.arithmetic)?,
            wide: value(&self.wide)?,
            narrow: value(&self.narrow)?,
            read: value(&self.read)?,
            written: value(&self.written)?,
            updated: value(&self.updated)?,
        })
    }
}

/// Which elements of a buffer an access reaches, in a canonical form: equal for any order of loops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Footprint {
    first: Dim,
    /// Whether its elements lie anywhere: in rows that are looked up, or where a value moves them.
    anywhere: bool,
    /// Steps, in elements, and how many there are of each.
    strides: BTreeMap<Dim, Dim>,
}

impl Footprint {
    fn new(kernel: &Kernel, access: &Access) -> Footprint {
        let extent = |axis: &Axis| kernel.extents[axis.0 as usize].clone();
        let mut strides: Vec<(Dim, Dim)> =
            access.at.terms.iter().map(|(axis, c)| (c.clone(), extent(axis))).collect();
        // Looked-up rows lie anywhere: they are never merged with other strides.
        strides.extend(access.row.map(|(axis, _)| (Dim::default(), extent(&axis))));
        let axes = (0..kernel.extents.len() as u32).map(Axis);
        strides.extend(access.by.into_iter().flat_map(|by| {
            let moving = axes.clone().filter(move |axis| depends(kernel, by, *axis));
            moving
                .filter(|axis| !access.at.terms.contains_key(axis))
                .map(|axis| (Dim::default(), extent(&axis)))
        }));
        strides.retain(|(_, count)| !count.is(1));
        // Contiguous rows are one long row.
        while let Some((outer, inner)) = consecutive(&strides) {
            strides[inner].1 = &strides[inner].1 * &strides[outer].1;
            strides.remove(outer);
        }

        let mut distinct: BTreeMap<Dim, Dim> = BTreeMap::new();
        for (stride, count) in strides {
            distinct.entry(stride).and_modify(|known| *known = &*known * &count).or_insert(count);
        }
        let anywhere = access.row.is_some() || access.by.is_some();
        Footprint { first: access.at.constant.clone(), anywhere, strides: distinct }
    }

    fn elements(&self) -> Dim {
        let each = self.strides.values().fold(Dim::from(1), |product, count| &product * count);
        // Windows that overlap reach no more than what lies between the first element and the last.
        let reach = self.strides.iter().try_fold(1_i64, |reach, (stride, count)| {
            let steps = count.as_constant()?.checked_sub(1)?;
            stride.as_constant()?.checked_abs()?.checked_mul(steps)?.checked_add(reach)
        });

        match (each.as_constant(), reach) {
            (Some(each), Some(reach)) if !self.anywhere => Dim::from(each.min(reach)),
            _ => each,
        }
    }
}

/// Two strides of which the outer one continues where the inner one ends.
fn consecutive(strides: &[(Dim, Dim)]) -> Option<(usize, usize)> {
    let pairs = (0..strides.len()).flat_map(|outer| (0..strides.len()).map(move |inner| (outer, inner)));
    pairs.filter(|(outer, inner)| outer != inner).find(|&(outer, inner)| {
        let (stride, count) = &strides[inner];
        !stride.is(0) && strides[outer].0 == stride * count
    })
}

/// Work for one element.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    arithmetic: i64,
    instructions: i64,
}

const ONE_OPERATION: Work = Work { arithmetic: 1, instructions: 1 };
const MULTIPLY_ADD: Work = Work { arithmetic: 2, instructions: 1 };
const ONE_INSTRUCTION: Work = Work { arithmetic: 0, instructions: 1 };
const NOTHING: Work = Work { arithmetic: 0, instructions: 0 };
/// A division or square root of a vector takes as long as about so many multiply-adds.
const QUOTIENT: Work = Work { arithmetic: 1, instructions: 8 };

/// A function with a lane program, and its operand's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    Unary(Unary, ElementType),
    Binary(Binary, ElementType),
    Random,
}

struct Count<'a> {
    kernel: &'a Kernel,
    lanes: &'a BTreeSet<Axis>,
    cost: &'a mut Cost,
    /// For each value the number of enclosing loops, from the outermost, within which it is computed.
    depths: HashMap<ValueId, usize>,
    functions: &'a mut HashMap<Function, Work>,
    /// The loops around what is being counted.
    path: Vec<Axis>,
}

impl Count<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Let(value, expression) => {
                    let depth = self.depth(expression);
                    self.depths.insert(*value, depth);
                    let work = self.expression(expression);
                    self.add(work, depth);
                    if let Expression::Load(_, access) = expression {
                        self.element_by_element(access, depth);
                    }
                }
                Item::Store(_, access, _) => self.element_by_element(access, self.path.len()),
                Item::Loop(inner) => self.iterations_of(inner),
            }
        }
    }

    fn iterations_of(&mut self, inner: &Loop) {
        self.path.push(inner.axis);
        let seen = inner.accumulators.iter().filter_map(|accumulator| accumulator.inside);
        self.depths.extend(seen.map(|inside| (inside, self.path.len())));
        self.items(&inner.body);
        for accumulator in &inner.accumulators {
            let work = match accumulator.term {
                Term::Product(..) => MULTIPLY_ADD,
                Term::Value(_) => ONE_OPERATION,
                Term::Next(_) => NOTHING,
            };
            self.add(work, self.path.len());
        }

        // The result is a value of the loops outside; in a lane loop its lanes are combined there.
        self.path.pop();
        for accumulator in &inner.accumulators {
            self.depths.insert(accumulator.result, self.path.len());
            if self.lanes.contains(&inner.axis) {
                let fold = Work { arithmetic: 0, instructions: FOLD_LANES as i64 };
                self.add(fold, self.path.len());
            }
        }
    }

    /// Adds work that every iteration of the outer `depth` loops does. Instructions count for whole vectors where the number of lanes is known.
    fn add(&mut self, work: Work, depth: usize) {
        let (mut iterations, mut filled) = (Dim::from(1), Dim::from(1));
        let mut instructions = &mut self.cost.narrow;
        for axis in &self.path[..depth] {
            let extent = &self.kernel.extents[axis.0 as usize];
            iterations = &iterations * extent;
            if self.lanes.contains(axis) {
                instructions = &mut self.cost.wide;
                let vector = WIDTH;
                let whole =
                    extent.as_constant().map(|lanes| Dim::from((lanes + vector - 1) / vector * vector));
                filled = &filled * whole.as_ref().unwrap_or(extent);
            } else {
                filled = &filled * extent;
            }
        }

        *instructions = &*instructions + &(&filled * &Dim::from(work.instructions));
        self.cost.arithmetic = &self.cost.arithmetic + &(&iterations * &Dim::from(work.arithmetic));
    }

    /// Lanes that are not contiguous in memory are read and written one by one.
    fn element_by_element(&mut self, access: &Access, depth: usize) {
        let lane = self.path[..depth].iter().find(|axis| self.lanes.contains(axis)).copied();
        let vectors = access_cost(self.kernel, access, lane, &|_| WIDTH as f64);
        if vectors > 1.0 {
            self.add(Work { arithmetic: 0, instructions: vectors as i64 }, depth);
        }
    }

    fn depth(&self, expression: &Expression) -> usize {
        let axis =
            |axis: &Axis| self.path.iter().position(|known| known == axis).map_or(0, |position| position + 1);
        let of_index = |at: &Affine| at.terms.keys().map(axis).max().unwrap_or(0);
        let of = |value: &ValueId| self.depths.get(value).copied().unwrap_or(0);

        match expression {
            Expression::Constant(_) | Expression::Dim(_) => 0,
            Expression::Load(_, access) => of_index(&access.at)
                .max(access.row.map_or(0, |(row, _)| axis(&row)))
                .max(access.by.as_ref().map_or(0, of)),
            Expression::Index(at) | Expression::Random(_, at) => of_index(at),
            Expression::Unary(_, x) | Expression::Convert(x) => of(x),
            Expression::Binary(_, x, y) | Expression::Compare(_, x, y) => of(x).max(of(y)),
            Expression::Select(mask, x, y) => of(mask).max(of(x)).max(of(y)),
        }
    }

    fn expression(&mut self, expression: &Expression) -> Work {
        let function = match expression {
            Expression::Constant(_) | Expression::Dim(_) | Expression::Load(..) => return NOTHING,
            Expression::Index(_)
            | Expression::Compare(..)
            | Expression::Select(..)
            | Expression::Convert(_) => {
                return ONE_INSTRUCTION;
            }
            Expression::Unary(unary, x) => Function::Unary(*unary, counted_as(self.kernel.element(*x))),
            Expression::Binary(binary, x, _) => {
                Function::Binary(*binary, counted_as(self.kernel.element(*x)))
            }
            Expression::Random(..) => Function::Random,
        };
        *self.functions.entry(function).or_insert_with(|| work_of_function(function))
    }
}

/// The type whose lane program is counted: f64 has none of its own yet; its operations are counted as those of f32.
fn counted_as(element: ElementType) -> ElementType {
    if element == ElementType::F64 { ElementType::F32 } else { element }
}

/// Counts the lane program of a function of one element.
fn work_of_function(function: Function) -> Work {
    let mut b = ProgramBuilder::new();
    let (pointer, var) = (b.pointer(), b.var());
    b.begin_lanes(var, Integer::Constant(0), Integer::Constant(1));
    let element = match function {
        Function::Unary(_, element) | Function::Binary(_, element) => element,
        Function::Random => ElementType::U32,
    };
    let address = || Address::new(pointer).index(var, Integer::Constant(element.bytes() as i64));
    let operand = |b: &mut ProgramBuilder| match scalar::kind(element) {
        lane::Kind::Mask => b.constant_mask(true),
        kind => b.load(kind, address()),
    };

    let (x, y) = (operand(&mut b), operand(&mut b));
    match function {
        Function::Unary(unary, element) => _ = scalar::unary(&mut b, unary, element, x),
        Function::Binary(binary, element) => _ = scalar::binary(&mut b, binary, element, x, y),
        Function::Random => _ = scalar::random_bits(&mut b, [y, y], x),
    }

    b.end_loop(&[]);
    let mut sum = Work::default();
    add_instructions(&b.finish().body, &mut sum);
    sum
}

fn add_instructions(items: &[lane::LaneItem], sum: &mut Work) {
    for item in items {
        match item {
            lane::LaneItem::Let(_, instruction) => {
                let work = work_of_instruction(instruction);
                sum.arithmetic += work.arithmetic;
                sum.instructions += work.instructions;
            }
            lane::LaneItem::Store { .. } | lane::LaneItem::Watch(_) => {}
            // A loop that runs only where a mask is set runs rarely: only its test counts.
            lane::LaneItem::Loop(inner) if inner.portion.mask().is_some() => sum.instructions += 1,
            lane::LaneItem::Loop(inner) => add_instructions(&inner.body, sum),
        }
    }
}

fn work_of_instruction(instruction: &Instruction) -> Work {
    use lane::{Binary as B, Unary as U};
    match instruction {
        Instruction::ConstantF(_) | Instruction::ConstantI(_) | Instruction::ConstantMask(_) => NOTHING,
        Instruction::Load(_) | Instruction::Counter { .. } | Instruction::Argument(_) => NOTHING,
        Instruction::Fma(..) => MULTIPLY_ADD,
        Instruction::Binary(B::DivF, ..) | Instruction::Unary(U::SqrtF, _) => QUOTIENT,
        Instruction::Binary(B::AddF | B::SubF | B::MulF | B::MaxF | B::MinF | B::PickGreater, ..) => {
            ONE_OPERATION
        }
        Instruction::Unary(..)
        | Instruction::Binary(..)
        | Instruction::Compare(..)
        | Instruction::Select(..) => ONE_INSTRUCTION,
    }
}
