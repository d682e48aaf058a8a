//! What kernels cost: their arithmetic, the memory they touch, and the time a machine needs for them.
//!
//! In: kernels, each with its lane loops. Out: [`Cost`], polynomials over the sizes that are not known, and of it for
//! known sizes [`Counted`], which a [`Speed`] turns into seconds. Coarser, and fixed for good, is the estimate that the
//! choice of lane loops hangs on: [`work`], in vectors of statements.
//!
//! How it is counted. A value is worked out once for every turn of the loops that it differs in. A function of
//! [`crate::lane::math`] counts as the instructions of its lane program. Memory is counted by distinct elements: what a kernel
//! reads twice through one index counts once, overlapping accesses with different indices count each. A
//! kernel's scratch room stays in a cache and counts as nothing.

mod vectors;

pub(crate) use vectors::{FOLD_LANES, WIDTH, statement, vectors};
pub use vectors::{assumed_turns, work};

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, Loop, Term, ValueId};
use crate::lane::scalar;
use crate::lane::{self, Address, Instruction, Integer, ProgramBuilder};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::op::{Binary, Unary};
use downhill_graph::types::ElementType;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vectors::access_cost;

/// What kernels do, for any sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations: sums, products, quotients, roots, greatest and least; a fused multiply-add is two.
    pub arithmetic: Dim,
    /// Instructions an element in lane loops, of any kind, in units of a multiply-add.
    pub wide: Dim,
    /// Instructions elsewhere: each takes as long as one of a whole vector.
    pub narrow: Dim,
    /// Bytes of the elements that are read.
    pub read: Dim,
    /// Bytes of the elements that are written.
    pub written: Dim,
    /// Bytes of those that are read and written in place; they count among the others as well.
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
    /// Floating-point operations a second in a loop of fused multiply-adds that wait for nothing.
    pub arithmetic: f64,
    /// Elements of a vector.
    pub lanes: u32,
    /// Levels of memory, from the fastest on.
    pub levels: Vec<MemoryLevel>,
}

/// A level of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryLevel {
    /// It holds what is worked on where that is at most so many bytes.
    pub bytes: u64,
    /// Bytes read a second where nothing is written.
    pub read: f64,
    /// Bytes read and written a second where as many are read as written elsewhere.
    pub copy: f64,
    /// Bytes read and written a second where those that are read are written.
    pub update: f64,
}

impl Speed {
    /// The level that so many bytes are worked on in: the last one where they are more than any holds.
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

    /// Instructions in vectors of so many elements.
    pub fn instructions(&self, lanes: u32) -> f64 {
        self.wide as f64 / f64::from(lanes.max(1)) + self.narrow as f64
    }

    /// The time that instructions take which do not wait for one another.
    pub fn computing(&self, speed: &Speed) -> f64 {
        let multiply_adds = speed.arithmetic / (2.0 * f64::from(speed.lanes.max(1)));
        self.instructions(speed.lanes) / multiply_adds
    }

    /// The time that it takes to move what is read and written.
    pub fn moving(&self, speed: &Speed) -> f64 {
        let Some(level) = speed.level(self.bytes() - self.updated) else { return 0.0 };
        let (in_place, moved) = (2 * self.updated, self.bytes() - 2 * self.updated);
        let alone = self.read.saturating_sub(self.written);
        in_place as f64 / level.update + (moved - alone) as f64 / level.copy + alone as f64 / level.read
    }

    /// The time of it all: memory is reached while instructions run.
    pub fn seconds(&self, speed: &Speed) -> f64 {
        self.computing(speed).max(self.moving(speed))
    }
}

impl Cost {
    /// Of kernels that one function runs one after another, each with its lane loops.
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

    /// All that takes time, in parts of about 1/60 ns on a fast core: instructions an element, sixteen for one that is not in a lane
    /// loop, and bytes.
    pub fn total(&self) -> Dim {
        let vector = Dim::from(WIDTH as i64);
        [&self.narrow * &vector, self.read.clone(), self.written.clone()]
            .iter()
            .fold(self.wide.clone(), |sum, part| &sum + part)
    }

    /// For these sizes; `None` where one is missing or no number is that large.
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

/// Which elements of a buffer an access reaches, the same for every way of writing it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Footprint {
    first: Dim,
    by_row: bool,
    /// Steps, in elements, and how many there are of each.
    strides: BTreeMap<Dim, Dim>,
}

impl Footprint {
    fn new(kernel: &Kernel, access: &Access) -> Footprint {
        let extent = |axis: &Axis| kernel.extents[axis.0 as usize].clone();
        let mut strides: Vec<(Dim, Dim)> =
            access.at.terms.iter().map(|(axis, c)| (c.clone(), extent(axis))).collect();
        // A row is far from the next one, wherever the table says that they lie.
        strides.extend(access.row.map(|(axis, _)| (Dim::default(), extent(&axis))));
        strides.retain(|(_, count)| !count.is(1));
        // Rows that follow one another are one long row.
        while let Some((outer, inner)) = consecutive(&strides) {
            strides[inner].1 = &strides[inner].1 * &strides[outer].1;
            strides.remove(outer);
        }
        let mut distinct: BTreeMap<Dim, Dim> = BTreeMap::new();
        for (stride, count) in strides {
            distinct.entry(stride).and_modify(|known| *known = &*known * &count).or_insert(count);
        }
        Footprint { first: access.at.constant.clone(), by_row: access.row.is_some(), strides: distinct }
    }

    fn elements(&self) -> Dim {
        let each = self.strides.values().fold(Dim::from(1), |product, count| &product * count);
        // Windows that overlap reach no more than what lies between the first element and the last.
        let reach = self.strides.iter().try_fold(1_i64, |reach, (stride, count)| {
            let turns = count.as_constant()?.checked_sub(1)?;
            stride.as_constant()?.checked_abs()?.checked_mul(turns)?.checked_add(reach)
        });
        match (each.as_constant(), reach) {
            (Some(each), Some(reach)) if !self.by_row => Dim::from(each.min(reach)),
            _ => each,
        }
    }
}

/// A stride that begins where the turns of another end.
fn consecutive(strides: &[(Dim, Dim)]) -> Option<(usize, usize)> {
    let pairs = (0..strides.len()).flat_map(|outer| (0..strides.len()).map(move |inner| (outer, inner)));
    pairs.filter(|(outer, inner)| outer != inner).find(|&(outer, inner)| {
        let (stride, count) = &strides[inner];
        !stride.is(0) && strides[outer].0 == stride * count
    })
}

/// What one element takes.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    arithmetic: i64,
    instructions: i64,
}

const ONE_OPERATION: Work = Work { arithmetic: 1, instructions: 1 };
const MULTIPLY_ADD: Work = Work { arithmetic: 2, instructions: 1 };
const ONE_INSTRUCTION: Work = Work { arithmetic: 0, instructions: 1 };
const NOTHING: Work = Work { arithmetic: 0, instructions: 0 };
/// Processors make a quotient or a root of a vector in the time of about so many multiply-adds.
const QUOTIENT: Work = Work { arithmetic: 1, instructions: 8 };

/// A function of lane programs by what it is given.
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
    /// In how many of the loops around it each value differs.
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
                Item::Loop(inner) => self.turns_of(inner),
            }
        }
    }

    fn turns_of(&mut self, inner: &Loop) {
        self.path.push(inner.axis);
        self.items(&inner.body);
        for accumulator in &inner.accumulators {
            let product = matches!(accumulator.term, Term::Product(..));
            self.add(if product { MULTIPLY_ADD } else { ONE_OPERATION }, self.path.len());
        }
        self.path.pop();
        for accumulator in &inner.accumulators {
            self.depths.insert(accumulator.result, self.path.len());
            if self.lanes.contains(&inner.axis) {
                let fold = Work { arithmetic: 0, instructions: FOLD_LANES as i64 };
                self.add(fold, self.path.len());
            }
        }
    }

    /// Adds what is done in every turn of the outer `depth` loops. Instructions fill whole vectors, where it is known how many.
    fn add(&mut self, work: Work, depth: usize) {
        let (mut turns, mut filled) = (Dim::from(1), Dim::from(1));
        let mut instructions = &mut self.cost.narrow;
        for axis in &self.path[..depth] {
            let extent = &self.kernel.extents[axis.0 as usize];
            turns = &turns * extent;
            if self.lanes.contains(axis) {
                instructions = &mut self.cost.wide;
                let vector = WIDTH as i64;
                let whole =
                    extent.as_constant().map(|lanes| Dim::from((lanes + vector - 1) / vector * vector));
                filled = &filled * whole.as_ref().unwrap_or(extent);
            } else {
                filled = &filled * extent;
            }
        }
        *instructions = &*instructions + &(&filled * &Dim::from(work.instructions));
        self.cost.arithmetic = &self.cost.arithmetic + &(&turns * &Dim::from(work.arithmetic));
    }

    /// Lanes that do not lie next to each other are read and written one by one.
    fn element_by_element(&mut self, access: &Access, depth: usize) {
        let lane = self.path[..depth].iter().find(|axis| self.lanes.contains(axis)).copied();
        let vectors = access_cost(access, lane);
        if vectors > 1.0 {
            self.add(Work { arithmetic: 0, instructions: vectors as i64 }, depth);
        }
    }

    fn depth(&self, expression: &Expression) -> usize {
        let axis =
            |axis: &Axis| self.path.iter().position(|known| known == axis).map_or(0, |place| place + 1);
        let of_index = |at: &Affine| at.terms.keys().map(axis).max().unwrap_or(0);
        let of = |value: &ValueId| self.depths.get(value).copied().unwrap_or(0);
        match expression {
            Expression::Constant(_) | Expression::Dim(_) => 0,
            Expression::Load(_, access) => {
                of_index(&access.at).max(access.row.map_or(0, |(row, _)| axis(&row)))
            }
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

/// The type whose lane programs are counted for functions of a type: f64 has none of its own yet, and as many operations.
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
            // What is rarely done costs its test.
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
