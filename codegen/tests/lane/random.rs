//! Random lane programs, compiled, against the interpreter, bit for bit.
//!
//! A list of random numbers drives a generator, so that proptest shrinks programs by shrinking the list.

use downhill_codegen::lane::verify::verify;
use downhill_codegen::lane::*;
use proptest::prelude::*;

use crate::fixed::agree;
use crate::machine::assert_checked;

/// Elements in each data buffer, entries in the table, and largest extents.
const SIZE: usize = 30_000;
const ROWS: i64 = 12;

struct Choices<'a> {
    numbers: &'a [u32],
    at: usize,
}

impl Choices<'_> {
    fn below(&mut self, n: u32) -> u32 {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number % n
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u32) as usize]
    }
}

/// Pointers: 0 and 1 are read, 2 is a table, 3 and 4 are written, 5 is the alarm.
struct Generator<'a> {
    b: ProgramBuilder,
    choices: Choices<'a>,
    /// Registers visible now, by kind.
    floats: Vec<Reg>,
    integers: Vec<Reg>,
    masks: Vec<Reg>,
    /// Counters of open loops and one past their largest index.
    open: Vec<(Var, i64)>,
    lane: Option<Var>,
    arguments: Vec<Integer>,
    values: Vec<i64>,
    /// The next free place in the written buffers, in elements.
    written: i64,
}

impl Generator<'_> {
    fn integer(&mut self, value: i64) -> Integer {
        if self.choices.below(2) == 0 {
            return Integer::Constant(value);
        }
        let argument = self.b.integer();
        self.arguments.push(argument);
        self.values.push(value);
        argument
    }

    fn address(&mut self) -> Address {
        let pointer = self.choices.below(2);
        let mut address = Address::new(pointer).offset(i64::from(self.choices.below(8)) * 4);
        for (var, _) in self.open.clone() {
            let lane = self.lane == Some(var);
            let plus = i64::from(self.choices.below(4));
            let stride = if lane {
                self.choices.of(&[4, 4, 4, 0, 8, 52])
            } else {
                self.choices.of(&[4, 8, 0, 400, 36])
            };
            address = match self.choices.below(if lane { 5 } else { 4 }) {
                0 => address,
                1 => address.lookup(2, var, plus, Integer::Constant(stride)),
                2 => {
                    let stride = self.integer(stride);
                    address.index_plus(var, plus, stride)
                }
                _ => address.index_plus(var, plus, Integer::Constant(stride)),
            };
        }
        if self.choices.below(4) > 0 {
            return address;
        }

        // Moved by as many elements as a register says; where it varies, the lane loop's counter has no part in the address.
        let wide = self.pick(Kind::I32);
        let mask = self.b.constant_i(15);
        let by = self.b.binary(Binary::AndI, wide, mask);
        if self.b.register(by).varying {
            address.terms.retain(|term| Some(term.index.var()) != self.lane);
        }
        address.by(by)
    }

    fn keep(&mut self, register: Reg) {
        match self.b.register(register).kind {
            Kind::F32 => self.floats.push(register),
            Kind::I32 => self.integers.push(register),
            Kind::Mask => self.masks.push(register),
        }
    }

    fn pick(&mut self, kind: Kind) -> Reg {
        let list = match kind {
            Kind::F32 => &self.floats,
            Kind::I32 => &self.integers,
            Kind::Mask => &self.masks,
        };
        // Recent registers are likelier, so that chains grow.
        let back = self.choices.below(list.len().min(6) as u32) as usize;
        let old = self.choices.below(4) == 0;
        let at = if old { back * (list.len() - 1) / 6 } else { list.len() - 1 - back };
        list[at]
    }

    fn statement(&mut self) {
        use Binary::*;
        let register = match self.choices.below(9) {
            0 | 1 => {
                let kind = self.choices.of(&[Kind::F32, Kind::F32, Kind::I32]);
                let address = self.address();
                self.b.load(kind, address)
            }
            2 => {
                let op = self.choices.of(&[AddF, SubF, MulF, DivF, MaxF, MinF, PickGreater]);
                let (x, y) = (self.pick(Kind::F32), self.pick(Kind::F32));
                self.b.binary(op, x, y)
            }
            3 => {
                let [x, y, z] = [(); 3].map(|()| self.pick(Kind::F32));
                self.b.fma(x, y, z)
            }
            4 => {
                let op = self.choices.of(&[
                    AddI,
                    SubI,
                    MulI,
                    MaxI,
                    MinI,
                    AndI,
                    OrI,
                    XorI,
                    ShiftLeft,
                    ShiftRightLogical,
                    ShiftRightArithmetic,
                ]);
                let (x, y) = (self.pick(Kind::I32), self.pick(Kind::I32));
                self.b.binary(op, x, y)
            }
            5 => {
                use Unary::*;
                let op = self.choices.of(&[
                    NegF, AbsF, SqrtF, FloorF, NearestF, NegI, NotI, NotMask, ToI32, ToU32, FromI32, FromU32,
                    FromMask, BitsOf, FromBits,
                ]);
                let x = self.pick(op.operand());
                let x = if op == BitsOf { self.without_nan(x) } else { x };
                self.b.unary(op, x)
            }
            6 => {
                use Compare::*;
                let op = self.choices.of(&[EqF, NeF, LtF, LeF, EqI, NeI, LtI, LeI, LtU, LeU]);
                let (x, y) = (self.pick(op.operand()), self.pick(op.operand()));
                self.b.compare(op, x, y)
            }
            7 => {
                let kind = self.choices.of(&[Kind::F32, Kind::I32, Kind::Mask]);
                let [mask, x, y] = [Kind::Mask, kind, kind].map(|kind| self.pick(kind));
                self.b.select(mask, x, y)
            }
            _ => self.odd_statement(),
        };
        self.keep(register);
    }

    /// Which NaN comes is not defined, so its bits must not be looked at.
    fn without_nan(&mut self, x: Reg) -> Reg {
        let is_nan = self.b.compare(Compare::NeF, x, x);
        let one = self.b.constant_f(1.0);
        self.b.select(is_nan, one, x)
    }

    /// Floats, where a mask holds replaced by what is computed from them.
    fn rare_statement(&mut self) {
        let (mask, count) = (self.pick(Kind::Mask), self.choices.below(3));
        let values: Vec<Reg> = (0..count).map(|_| self.pick(Kind::F32)).collect();
        let (x, op) = (self.pick(Kind::F32), self.choices.of(&[Binary::MulF, Binary::SubF]));
        let replaced = self.b.replace_where(mask, &values, |b| {
            let turned: Vec<Reg> = values.iter().map(|&value| b.binary(op, value, x)).collect();
            turned.iter().rev().map(|&value| b.unary(Unary::SqrtF, value)).collect()
        });
        replaced.into_iter().for_each(|register| self.keep(register));
    }

    fn odd_statement(&mut self) -> Reg {
        let choice = self.choices.below(5);
        match (choice, self.open.last()) {
            (0, Some(&(var, _))) => self.b.counter(var, 3),
            (1, _) if !self.arguments.is_empty() => {
                let argument = self.choices.below(self.arguments.len() as u32);
                self.b.argument(argument)
            }
            (2, _) => {
                let op = self.choices.of(&[Binary::AndMask, Binary::OrMask, Binary::XorMask]);
                let (x, y) = (self.pick(Kind::Mask), self.pick(Kind::Mask));
                self.b.binary(op, x, y)
            }
            (3, _) => {
                let bits = self.choices.of(&[0, 0x3f80_0000, 0x8000_0000, 0x7fc0_0000, 0xc020_0000, 5]);
                self.b.constant_f(f32::from_bits(bits))
            }
            _ => {
                let value = self.choices.of(&[0, 1, -1, 31, 7, i32::MIN, 40]);
                self.b.constant_i(value)
            }
        }
    }

    /// Watches a value, or one that is finite whatever lies beyond the end of a lane loop.
    fn watch(&mut self) {
        let value = self.pick(Kind::F32);
        let watched = if self.choices.below(3) > 0 {
            let (size, limit) = (self.b.unary(Unary::AbsF, value), self.b.constant_f(1e30));
            let (small, one) = (self.b.compare(Compare::LtF, size, limit), self.b.constant_f(1.0));
            self.b.select(small, value, one)
        } else {
            value
        };
        self.b.watch(5, watched);
    }

    /// Stores where nothing else is stored.
    fn store(&mut self) {
        let kind = self.choices.of(&[Kind::F32, Kind::F32, Kind::I32]);
        let value = self.pick(kind);
        let pointer = 3 + self.choices.below(2);
        let mut address = Address::new(pointer).offset(self.written * 4);
        // Moved by less than 16 elements, which lie apart; or the lanes by what each holds.
        let moved = self.choices.below(4) == 0;
        let by_lane = moved && self.choices.below(2) == 0;
        let mut stride = if moved { 64 } else { 4 };
        for (var, extent) in self.open.clone().into_iter().rev() {
            let lane = self.lane == Some(var);
            let gap = if lane { self.choices.of(&[1, 1, 3]) } else { 1 };
            if lane && by_lane {
                let (counter, elements) =
                    (self.b.counter(var, 0), self.b.constant_i((stride * gap / 4) as i32));
                address = address.by(self.b.binary(Binary::MulI, counter, elements));
            } else {
                address = address.index(var, Integer::Constant(stride * gap));
            }
            stride *= gap * extent.max(1);
        }
        self.written += stride / 4;
        if moved && address.by.is_none() {
            let (wide, mask) = (self.pick(Kind::I32), self.b.constant_i(15));
            let by = self.b.binary(Binary::AndI, wide, mask);
            address.by = (!self.b.register(by).varying).then_some(by);
        }
        if self.lane.is_some() || self.open.is_empty() || !self.b.register(value).varying {
            self.b.store(address, value);
        }
    }

    fn a_loop(&mut self, depth: u32) {
        let lanes = self.lane.is_none() && self.choices.below(2) == 0;
        let portion = if lanes {
            Portion::Whole
        } else {
            self.choices.of(&[
                Portion::Whole,
                Portion::Whole,
                Portion::Blocks(3),
                Portion::Rest(3),
                Portion::Rest(4),
            ])
        };
        let extent = if lanes { self.choices.below(101) } else { self.choices.below(ROWS as u32) };
        let (start, var) = (i64::from(self.choices.below(3)), self.b.var());
        let end = self.integer(i64::from(extent));
        let start = self.integer(start);
        let count = self.choices.below(3);
        let mut initials = Vec::new();
        for _ in 0..count {
            let combine = self.choices.of(&[
                Combine::AddF,
                Combine::MaxF,
                Combine::MinF,
                Combine::AddI,
                Combine::MaxI,
                Combine::MinI,
            ]);
            let initial = self.pick(combine.kind());
            initials.push((initial, combine));
        }
        let kept = (self.floats.len(), self.integers.len(), self.masks.len());
        self.b.begin_loop(var, start, end, portion, lanes);
        self.open.push((var, i64::from(extent)));
        self.lane = if lanes { Some(var) } else { self.lane };
        for &(initial, combine) in &initials {
            let inside = self.b.carry(initial, lanes.then_some(combine));
            self.keep(inside);
        }
        self.block(depth + 1);
        let next: Vec<Reg> = initials.iter().map(|(_, combine)| self.pick(combine.kind())).collect();
        let after = self.b.end_loop(&next);
        self.open.pop();
        self.lane = if lanes { None } else { self.lane };
        self.floats.truncate(kept.0);
        self.integers.truncate(kept.1);
        self.masks.truncate(kept.2);
        after.into_iter().for_each(|register| self.keep(register));
    }

    fn block(&mut self, depth: u32) {
        for _ in 0..self.choices.below(10) + 2 {
            match self.choices.below(13) {
                0 | 1 if depth < 3 => self.a_loop(depth),
                2 => self.store(),
                3 => self.rare_statement(),
                4 if self.choices.below(3) == 0 => self.watch(),
                _ => self.statement(),
            }
        }
        if depth < 3 && self.choices.below(2) == 0 {
            self.a_loop(depth);
        }
        self.store();
    }
}

fn generate(numbers: &[u32]) -> (LaneProgram, Vec<i64>, i64) {
    let mut generator = Generator {
        b: ProgramBuilder::new(),
        choices: Choices { numbers, at: 0 },
        floats: Vec::new(),
        integers: Vec::new(),
        masks: Vec::new(),
        open: Vec::new(),
        lane: None,
        arguments: Vec::new(),
        values: Vec::new(),
        written: 0,
    };
    for _ in 0..6 {
        generator.b.pointer();
    }
    let (f, i, m) = (generator.b.constant_f(1.5), generator.b.constant_i(3), generator.b.constant_mask(true));
    [f, i, m].into_iter().for_each(|register| generator.keep(register));
    generator.block(0);
    (generator.b.finish(), generator.values, generator.written)
}

fn data(seed: u32) -> Vec<u32> {
    let float = |i: u32| match i.wrapping_mul(seed | 1) >> 7 & 63 {
        0 => f32::NAN.to_bits(),
        1 => f32::INFINITY.to_bits(),
        2 => 0x8000_0000,
        3 => 0,
        4 => 77,
        n => ((n as f32 - 30.0) * 0.37).to_bits(),
    };
    (0..SIZE as u32).map(float).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_programs_agree_with_the_interpreter(
        numbers in proptest::collection::vec(any::<u32>(), 20..400),
        seed in any::<u32>(),
    ) {
        let (program, integers, elements) = generate(&numbers);
        prop_assert_eq!(verify(&program), Vec::<String>::new(), "{}", program);
        let table = (0..200).map(|i: u32| i.wrapping_mul(seed) % 30).collect();
        let written = vec![0xdead_beef; elements as usize];
        let memory = [data(seed), data(!seed), table, written.clone(), written, vec![0]];
        agree(&program, &memory, &integers);
        assert_checked(&program);
    }
}
