//! The state of the lowering. In: items of a program in order. Out: Cranelift instructions; here also everything about
//! operands: constants, splats of uniform registers, loads put off until they are read.
//!
//! Must hold: what a [`Scope`] remembers was emitted in a block that dominates the current one; scopes are pushed where a
//! body begins and popped where it ends.

use super::estimate::LANES;
use std::collections::HashMap;
use std::ops::Range;

use cranelift_codegen::ir::types::{F32, F32X4, I8, I32, I32X4, I64};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::{FunctionBuilder, Variable};

use super::estimate::{MAX_PIECES, read_by_lanes};
use crate::lane::{Address, Instruction, Integer, Kind, LaneItem, LaneProgram, Reg, Term, Var, runs};
use crate::lower::uses::{Uses, homes};

/// How many elements of the lane loop the code being emitted works on.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// 4 for vectors, 1 for scalars.
    pub(super) lanes: usize,
    /// Values for each varying register.
    pub(super) pieces: usize,
    /// True: all instructions for one piece, then the next piece; false: each instruction for all pieces.
    pub(super) piece_by_piece: bool,
}

impl Strip {
    /// One element at a time.
    pub(super) const SCALAR: Strip = Strip { lanes: 1, pieces: 1, piece_by_piece: false };

    pub(super) fn vectors(pieces: usize) -> Strip {
        Strip { lanes: LANES as usize, pieces, piece_by_piece: false }
    }

    /// Elements in it.
    pub(super) fn width(self) -> i64 {
        (self.lanes * self.pieces) as i64
    }
}

/// A number known now, or a value.
pub(super) type Bound = crate::lane::Bound<Value>;

/// What has been computed in the blocks that dominate the current one.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) splats: HashMap<Reg, Value>,
    pub(super) sums: HashMap<(Value, Value), Value>,
    /// A counter's value times a stride.
    pub(super) offsets: HashMap<(Var, Integer), Value>,
    /// A stride times a known number.
    pub(super) multiples: HashMap<(u32, i64), Value>,
    /// A looked-up index times its stride, by the lane within the strip.
    pub(super) lookups: HashMap<(Term, i64), Value>,
    /// Bytes of as many elements as a register says, by the lane within the strip.
    pub(super) moved: HashMap<(Reg, i64), Value>,
}

pub(super) struct Emitter<'p, 'f, 'b> {
    pub(super) program: &'p LaneProgram,
    pub(super) f: &'f mut FunctionBuilder<'b>,
    pub(super) pointers: &'p [Value],
    pub(super) integers: &'p [Value],
    pub(super) uses: Uses,
    /// The loops in whose bodies registers are set.
    pub(super) homes: Vec<Option<Var>>,
    /// Registers that something varying reads.
    pub(super) by_lanes: Vec<bool>,
    /// Values of each register, one for each piece; the first alone for uniform ones.
    values: Vec<[Option<Value>; MAX_PIECES]>,
    /// Counters of open loops (the lane loop's: the first element of the strip), outermost first in `open`.
    pub(super) vars: Vec<Option<Bound>>,
    pub(super) open: Vec<Var>,
    /// What is added to a counter: the iteration's offset where its loop is unrolled.
    pub(super) shifts: Vec<i64>,
    pub(super) lane_var: Option<Var>,
    pub(super) strip: Strip,
    scopes: Vec<Scope>,
    /// Loads not emitted yet because their only reader has not come.
    deferred: Vec<(Reg, &'p Address)>,
    /// Vector constants of the item being emitted.
    recent: Vec<(Reg, Value)>,
    /// Not all zeros once a watched value was not finite; of programs that watch.
    alarm: Option<Variable>,
}

impl<'p, 'f, 'b> Emitter<'p, 'f, 'b> {
    pub(super) fn new(
        program: &'p LaneProgram,
        f: &'f mut FunctionBuilder<'b>,
        pointers: &'p [Value],
        integers: &'p [Value],
    ) -> Self {
        let registers = program.registers.len();
        let alarm = program.alarm.map(|_| {
            let alarm = f.declare_var(I32X4);
            let quiet = f.ins().iconst(I32, 0);
            let quiet = f.ins().splat(I32X4, quiet);
            f.def_var(alarm, quiet);
            alarm
        });
        Emitter {
            program,
            f,
            pointers,
            integers,
            uses: Uses::of(program),
            homes: homes(program),
            by_lanes: read_by_lanes(program),
            values: vec![[None; MAX_PIECES]; registers],
            vars: vec![None; program.vars as usize],
            open: Vec::new(),
            shifts: vec![0; program.vars as usize],
            lane_var: None,
            strip: Strip::SCALAR,
            scopes: vec![Scope::default()],
            deferred: Vec::new(),
            recent: Vec::new(),
            alarm,
        }
    }

    /// x − x is 0 of what is finite and NaN of everything else.
    fn watch(&mut self, register: Reg, pieces: &Range<usize>) {
        let Some(alarm) = self.alarm else { return };
        let own = if self.varies(register) { pieces.clone() } else { 0..1 };
        if !self.varies(register) && pieces.start > 0 {
            return;
        }
        for piece in own {
            let vector = self.is_vector(register);
            let value = self.operand(register, piece, vector);
            let difference = self.f.ins().fsub(value, value);
            let difference = if vector { difference } else { self.f.ins().splat(F32X4, difference) };
            let bits = self.f.ins().bitcast(I32X4, bits_flags(), difference);
            let so_far = self.f.use_var(alarm);
            let both = self.f.ins().bor(so_far, bits);
            self.f.def_var(alarm, both);
        }
    }

    /// Behind the program: raises its alarm if a watched value was not finite.
    pub(super) fn raise_alarm(&mut self) {
        let (Some(alarm), Some(pointer)) = (self.alarm, self.program.alarm) else { return };
        let bits = self.f.use_var(alarm);
        let raised = self.f.ins().vany_true(bits);
        let (raise, done) = (self.f.create_block(), self.f.create_block());
        self.f.ins().brif(raised, raise, &[], done, &[]);
        self.f.switch_to_block(raise);
        self.f.seal_block(raise);
        let one = self.f.ins().iconst(I32, 1);
        self.f.ins().store(MemFlagsData::trusted(), one, self.pointers[pointer as usize], 0);
        self.f.ins().jump(done, &[]);
        self.f.switch_to_block(done);
        self.f.seal_block(done);
    }

    /// Emits items in order: straight runs between loops by the strip's order, loops for all pieces at once.
    pub(super) fn items(&mut self, items: &'p [LaneItem]) {
        for run in runs(items) {
            match run {
                [LaneItem::Loop(item)] if item.lanes => self.lane_loop(item),
                [LaneItem::Loop(item)] => self.counted_loop(item),
                _ if self.strip.piece_by_piece => {
                    for piece in 0..self.strip.pieces {
                        self.run(run, piece..piece + 1);
                    }
                }
                _ => self.run(run, 0..self.strip.pieces),
            }
        }
    }

    fn run(&mut self, items: &'p [LaneItem], pieces: Range<usize>) {
        for item in items {
            self.recent.clear();
            match item {
                LaneItem::Let(_, instruction) if instruction.is_constant() => {}
                LaneItem::Let(register, Instruction::Load(address)) => self.load(*register, address, &pieces),
                LaneItem::Let(register, instruction) => self.instruction(*register, instruction, &pieces),
                LaneItem::Store { address, value } => {
                    self.flush(&pieces);
                    self.store(address, *value, &pieces);
                }
                LaneItem::Watch(value) => self.watch(*value, &pieces),
                LaneItem::Loop(_) => unreachable!("downhill bug: a loop in a straight run; please report"),
            }
        }
        self.flush(&pieces);
        self.recent.clear();
    }

    /// A load read once waits for its reader, so that it can become an operand in memory.
    fn load(&mut self, register: Reg, address: &'p Address, pieces: &Range<usize>) {
        let varying = self.varies(register);
        let waits = self.uses.count[register.0 as usize] == 1 && address.by.is_none();
        if varying && waits && self.is_contiguous(address) {
            pieces.clone().for_each(|piece| self.values[register.0 as usize][piece] = None);
            self.deferred.push((register, address));
        } else if varying {
            pieces.clone().for_each(|piece| self.load_piece(register, address, piece));
        } else if pieces.start == 0 {
            self.load_piece(register, address, 0);
            // Right behind its load a splat becomes one broadcasting load.
            if self.strip.lanes > 1 && self.by_lanes[register.0 as usize] {
                self.splat(register);
            }
        }
    }

    fn load_piece(&mut self, register: Reg, address: &Address, piece: usize) {
        let kind = self.program.registers[register.0 as usize].kind;
        let value = if self.varies(register) {
            self.load_varying(kind, address, piece)
        } else {
            self.load_uniform(kind, address)
        };
        self.set(register, piece, value);
    }

    /// Emits the loads that still wait.
    fn flush(&mut self, pieces: &Range<usize>) {
        for (register, address) in std::mem::take(&mut self.deferred) {
            for piece in pieces.clone() {
                if self.values[register.0 as usize][piece].is_none() {
                    self.load_piece(register, address, piece);
                }
            }
        }
    }

    pub(super) fn varies(&self, register: Reg) -> bool {
        self.program.registers[register.0 as usize].varying
    }

    /// True when `register`'s values are vectors in this strip.
    pub(super) fn is_vector(&self, register: Reg) -> bool {
        self.varies(register) && self.strip.lanes > 1
    }

    pub(super) fn set(&mut self, register: Reg, piece: usize, value: Value) {
        self.values[register.0 as usize][piece] = Some(value);
    }

    /// The value of a register as an operand: of its piece, splatted when `vector` asks for it.
    pub(super) fn operand(&mut self, register: Reg, piece: usize, vector: bool) -> Value {
        if self.is_constant(register) {
            return if vector { self.vector_constant(register) } else { self.scalar_constant(register) };
        }
        if !self.varies(register) {
            return if vector { self.splat(register) } else { self.value(register, 0) };
        }
        if self.values[register.0 as usize][piece].is_none()
            && let Some(&(_, address)) = self.deferred.iter().find(|(waiting, _)| *waiting == register)
        {
            self.load_piece(register, address, piece);
        }
        self.value(register, piece)
    }

    fn value(&self, register: Reg, piece: usize) -> Value {
        let value = self.values[register.0 as usize][piece];
        value.unwrap_or_else(|| {
            panic!("downhill bug: register {} has no value yet; please report", register.0)
        })
    }

    /// The bits of a constant register, as of a lane.
    pub(super) fn constant_bits(&self, register: Reg) -> Option<u32> {
        self.uses.constants[register.0 as usize]
    }

    fn scalar_constant(&mut self, register: Reg) -> Value {
        let bits = self.constant_bits(register).unwrap_or_default();
        match self.program.registers[register.0 as usize].kind {
            Kind::F32 => self.f.ins().f32const(f32::from_bits(bits)),
            Kind::I32 => self.f.ins().iconst(I32, i64::from(bits)),
            Kind::Mask => self.f.ins().iconst(I8, i64::from(bits & 1)),
        }
    }

    fn vector_constant(&mut self, register: Reg) -> Value {
        if let Some(known) = self.find(|scope| scope.splats.get(&register)) {
            return known;
        }
        if let Some(&(_, value)) = self.recent.iter().find(|(recent, _)| *recent == register) {
            return value;
        }
        let bits = self.constant_bits(register).unwrap_or_default();
        let ty = type_of(self.program.registers[register.0 as usize].kind, true);
        let value = self.vector_of(ty, [bits; 4]);
        self.recent.push((register, value));
        value
    }

    /// A vector of known lanes.
    pub(super) fn vector_of(&mut self, ty: Type, lanes: [u32; 4]) -> Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let constant = self.f.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
        self.f.ins().vconst(ty, constant)
    }

    /// A uniform register in all lanes, remembered in the current scope.
    pub(super) fn splat(&mut self, register: Reg) -> Value {
        if let Some(known) = self.find(|scope| scope.splats.get(&register)) {
            return known;
        }
        let scalar = self.value(register, 0);
        let kind = self.program.registers[register.0 as usize].kind;
        let scalar = if kind == Kind::Mask { self.f.ins().bmask(I32, scalar) } else { scalar };
        let value = self.f.ins().splat(type_of(kind, true), scalar);
        self.scope().splats.insert(register, value);
        value
    }

    /// Puts a constant into a register for the rest of the current scope.
    pub(super) fn keep_constant(&mut self, register: Reg) {
        let value = self.vector_constant(register);
        self.scope().splats.insert(register, value);
    }

    pub(super) fn is_constant(&self, register: Reg) -> bool {
        self.uses.constants[register.0 as usize].is_some()
    }

    /// Looks through the open scopes.
    pub(super) fn find(&self, get: impl Fn(&Scope) -> Option<&Value>) -> Option<Value> {
        self.scopes.iter().rev().find_map(|scope| get(scope).copied())
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("downhill bug: no scope is open; please report")
    }

    pub(super) fn push_scope(&mut self) {
        self.recent.clear();
        self.scopes.push(Scope::default());
    }

    pub(super) fn pop_scope(&mut self) {
        self.recent.clear();
        self.scopes.pop();
    }

    pub(super) fn integer(&self, integer: Integer) -> Bound {
        Bound::of(integer, self.integers)
    }

    /// A bound as a value.
    pub(super) fn materialize(&mut self, bound: Bound) -> Value {
        match bound {
            Bound::Known(value) => self.f.ins().iconst(I64, value),
            Bound::In(value) => value,
        }
    }

    /// `bound + plus`.
    pub(super) fn plus(&mut self, bound: Bound, plus: i64) -> Bound {
        match bound {
            Bound::Known(value) => Bound::Known(value + plus),
            Bound::In(value) if plus == 0 => Bound::In(value),
            Bound::In(value) => Bound::In(self.f.ins().iadd_imm_s(value, plus)),
        }
    }
}

/// The Cranelift type of a register.
pub(super) fn type_of(kind: Kind, vector: bool) -> Type {
    match (kind, vector) {
        (Kind::F32, false) => F32,
        (Kind::F32, true) => F32X4,
        (Kind::I32, false) => I32,
        (Kind::Mask, false) => I8,
        (Kind::I32 | Kind::Mask, true) => I32X4,
    }
}

/// How the lanes of a vector are told apart when its type changes and its bits do not.
pub(super) fn bits_flags() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}
