//! The state of selection, and what everything in it asks of it: registers, constants, bounds of loops, what has been computed.
//! In: a program. Out: virtual code as it grows.
//!
//! Every value is a whole vector: a uniform register has the same value in all lanes, so that it can be combined with a varying one. Must hold: what a [`Scope`] remembers was computed on every path to the current point; scopes are pushed
//! where a body begins and popped where it ends.

use std::collections::HashMap;

use super::code::{Base, Class, Code, Inst, Memory, Op, Source, V};
use super::facts::Facts;
use crate::lane::{Address, Integer, Kind, LaneProgram, Reg, Term, Var};
use crate::target::Extension;

/// Most pieces of a strip: values of a varying register that are worked on at once.
pub(super) const MAX_PIECES: usize = 8;

/// Which elements of the lane loop the code being made works on.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    pub(super) pieces: usize,
    /// For each piece the lanes that are elements of the loop; none: all.
    pub(super) masks: [Option<V>; MAX_PIECES],
    /// How many elements the strip has, where that is fewer than its pieces hold.
    pub(super) rest: Option<Bound>,
    /// True: all instructions for one piece, then the next piece; false: each instruction for all pieces.
    pub(super) piece_by_piece: bool,
}

impl Strip {
    pub(super) fn of(pieces: usize) -> Strip {
        Strip { pieces, masks: [None; MAX_PIECES], rest: None, piece_by_piece: true }
    }
}

/// A number known now, or a register that holds it.
pub(super) type Bound = crate::lane::Bound<V>;

/// The iterations of a loop.
pub(super) type Steps = crate::lane::Steps<V>;

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// An argument times a number.
    Multiple(u32, i64),
    /// An open loop's counter times a stride.
    Counter(Var, Integer),
    /// What a table says, times a stride.
    Lookup(Term),
    /// So many elements as a register says, which is the same for all lanes.
    By(Reg),
}

/// What has been computed on every path to the current point.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) sums: HashMap<(V, Part), V>,
    pub(super) parts: HashMap<Part, V>,
    /// 64-bit offsets of lanes' elements: of the two halves of a piece.
    pub(super) offsets: HashMap<(Term, usize), [V; 2]>,
}

/// A value of a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    Nothing,
    In(V),
    /// Its load has become an operand of its only reader.
    Consumed,
}

/// Of a program that watches values.
pub(super) struct Watching {
    /// The bits of a NaN in some lane once a value was not finite.
    pub(super) all: V,
    /// The same of the straight run that is being made, if it has watched a value.
    pub(super) run: Option<V>,
}

pub(super) struct Select<'p> {
    pub(super) program: &'p LaneProgram,
    pub(super) level: Extension,
    pub(super) code: Code,
    pub(super) pointers: Vec<V>,
    pub(super) integers: Vec<V>,
    pub(super) facts: Facts,
    pub(super) values: Vec<[Held; MAX_PIECES]>,
    /// The register that a value is to be computed into: an accumulator's.
    pub(super) targets: HashMap<Reg, Vec<V>>,
    /// Counters of open loops (the lane loop's: the first element of the strip), outermost first in `open`.
    pub(super) vars: Vec<Option<Bound>>,
    pub(super) open: Vec<Var>,
    pub(super) lane_var: Option<Var>,
    pub(super) strip: Strip,
    pub(super) scopes: Vec<Scope>,
    /// Loads not made yet because no reader has come.
    pub(super) deferred: Vec<(Reg, &'p Address)>,
    /// In an iteration that is mostly skipped: what it needs alone is not worth a register.
    pub(super) rare: bool,
    /// Constants in registers, made before the outermost open loop.
    constants: HashMap<u32, V>,
    /// Open loops, and where the outermost one's code begins.
    pub(super) depth: usize,
    pub(super) outermost: usize,
    before: Vec<Inst>,
    pub(super) watching: Option<Watching>,
}

impl<'p> Select<'p> {
    pub(super) fn new(program: &'p LaneProgram, level: Extension) -> Select<'p> {
        let registers = program.registers.len();
        Select {
            program,
            level,
            code: Code::new(level),
            pointers: Vec::new(),
            integers: Vec::new(),
            facts: Facts::of(program),
            values: vec![[Held::Nothing; MAX_PIECES]; registers],
            targets: HashMap::new(),
            vars: vec![None; program.vars as usize],
            open: Vec::new(),
            lane_var: None,
            strip: Strip::of(1),
            scopes: vec![Scope::default()],
            deferred: Vec::new(),
            rare: false,
            constants: HashMap::new(),
            depth: 0,
            outermost: 0,
            before: Vec::new(),
            watching: None,
        }
    }

    pub(super) fn varies(&self, register: Reg) -> bool {
        self.program.registers[register.0 as usize].varying
    }

    pub(super) fn kind(&self, register: Reg) -> Kind {
        self.program.registers[register.0 as usize].kind
    }

    /// The class that values of a kind have.
    pub(super) fn class(&self, kind: Kind) -> Class {
        if kind == Kind::Mask && self.level == Extension::Avx512 { Class::Mask } else { Class::Vector }
    }

    pub(super) fn general(&mut self) -> V {
        self.code.register(Class::General)
    }

    pub(super) fn vector(&mut self) -> V {
        self.code.register(Class::Vector)
    }

    pub(super) fn set(&mut self, register: Reg, piece: usize, value: V) {
        self.values[register.0 as usize][piece] = Held::In(value);
    }

    /// Where the value of a register's piece is to be put.
    pub(super) fn target(&mut self, register: Reg, piece: usize) -> V {
        match self.targets.get(&register) {
            Some(places) => places[piece],
            None => {
                let class = self.class(self.kind(register));
                self.code.register(class)
            }
        }
    }

    /// Emits `op` into a new register of the class it sets.
    pub(super) fn emit(&mut self, op: Op, from: &[Source]) -> V {
        let to = self.code.register(op.class(self.level));
        self.code.push(Inst::new(op, Some(to), from));
        to
    }

    pub(super) fn in_register(&mut self, source: Source) -> V {
        match source {
            Source::Register(v) => v,
            Source::Memory(memory) => {
                let op = if memory.broadcast { Op::Broadcast } else { Op::Load };
                self.emit(op, &[Source::Memory(Memory { broadcast: false, ..memory })])
            }
            Source::None => unreachable!("downhill bug: an operand is missing; please report"),
        }
    }

    /// A constant in all lanes: in a register where a loop is open, made before the outermost one.
    pub(super) fn constant(&mut self, bits: u32) -> Source {
        if self.depth == 0 {
            return Source::Memory(self.code.literal(bits));
        }
        if let Some(&known) = self.constants.get(&bits) {
            return Source::Register(known);
        }
        let home = self.code.literal(bits);
        if self.rare {
            return Source::Memory(home);
        }
        let v = self.keep(home, bits == 0);
        self.constants.insert(bits, v);
        Source::Register(v)
    }

    /// A register set to what lies at `home`, before the outermost open loop.
    pub(super) fn keep(&mut self, home: Memory, zero: bool) -> V {
        let v = self.vector();
        let op = if home.broadcast { Op::Broadcast } else { Op::Load };
        let load = Inst::new(op, Some(v), &[Source::Memory(Memory { broadcast: false, ..home })]);
        let inst = if zero { Inst::new(Op::Zero, Some(v), &[]) } else { load };
        if self.depth == 0 {
            self.code.push(inst)
        } else {
            self.before.push(inst)
        }
        self.code.homes.insert(v, home);
        v
    }

    /// Notes that a loop's code begins here.
    pub(super) fn enter_loop(&mut self) {
        if self.depth == 0 {
            self.outermost = self.code.instructions.len();
        }
        self.depth += 1;
    }

    /// Puts the constants that were wanted before the outermost loop when it ends.
    pub(super) fn leave_loop(&mut self) {
        self.depth -= 1;
        if self.depth == 0 {
            let before = std::mem::take(&mut self.before);
            self.code.instructions.splice(self.outermost..self.outermost, before);
            self.constants.clear();
        }
    }

    /// Finds what the innermost possible scope remembers.
    pub(super) fn find<T: Copy>(&self, get: impl Fn(&Scope) -> Option<&T>) -> Option<T> {
        self.scopes.iter().rev().find_map(|scope| get(scope).copied())
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().unwrap_or_else(|| panic!("downhill bug: no scope is open; please report"))
    }

    pub(super) fn integer(&self, integer: Integer) -> Bound {
        Bound::of(integer, &self.integers)
    }

    /// A bound in a general register; not to be changed.
    pub(super) fn materialize(&mut self, bound: Bound) -> V {
        match bound {
            Bound::In(v) => v,
            Bound::Known(value) => {
                let v = self.general();
                self.code.push(Inst::new(Op::SetGeneral, Some(v), &[]).immediate(value));
                v
            }
        }
    }

    /// `bound + plus`.
    pub(super) fn plus(&mut self, bound: Bound, plus: i64) -> Bound {
        match bound {
            Bound::Known(value) => Bound::Known(value + plus),
            _ if plus == 0 => bound,
            Bound::In(v) => {
                let offset = i32::try_from(plus);
                let offset =
                    offset.unwrap_or_else(|_| panic!("downhill bug: a counter of {plus}; please report"));
                let memory = Memory { offset, ..Memory::at(Base::Register(v)) };
                Bound::In(self.emit(Op::Address, &[Source::Memory(memory)]))
            }
        }
    }
}
