//! Making lane programs. In: calls in the order of the code. Out: a [`LaneProgram`].
//!
//! Must hold: loops are closed in the order they were opened. Variance follows from operands: a register varies when
//! an operand does, or when an address or counter uses the open lane loop's counter. An accumulator of a counted
//! loop inside a lane loop varies always (its next value is not known when it is declared). What was computed where it can be seen
//! is not computed again, and arithmetic of constants is done here; neither changes a bit.

use std::collections::HashMap;

use super::program::*;

/// Makes a [`LaneProgram`], item by item.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    program: LaneProgram,
    blocks: Vec<Block>,
    definitions: HashMap<Reg, Instruction>,
}

/// Code under construction: the body of the program or of an open loop.
#[derive(Debug, Default)]
struct Block {
    items: Vec<LaneItem>,
    /// Everything computed in this block that does not read memory.
    known: HashMap<(Instruction, Kind), Reg>,
    /// The loop whose body this is; none for the program's body.
    head: Option<LaneLoop>,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> ProgramBuilder {
        ProgramBuilder { blocks: vec![Block::default()], ..ProgramBuilder::default() }
    }

    /// One more pointer argument.
    pub fn pointer(&mut self) -> u32 {
        self.program.pointers += 1;
        self.program.pointers - 1
    }

    /// One more integer argument.
    pub fn integer(&mut self) -> Integer {
        self.program.integers += 1;
        Integer::Argument(self.program.integers - 1)
    }

    /// One more loop counter. Loops that do not enclose each other may share one.
    pub fn var(&mut self) -> Var {
        self.program.vars += 1;
        Var(self.program.vars - 1)
    }

    /// Kind and variance of a register made so far.
    pub fn register(&self, register: Reg) -> Register {
        self.program.registers[register.0 as usize]
    }

    /// The instruction that sets a register; none for an accumulator.
    pub fn definition(&self, register: Reg) -> Option<&Instruction> {
        self.definitions.get(&register)
    }

    /// True between the beginning and the end of a lane loop.
    pub fn in_lane_loop(&self) -> bool {
        self.lane_var().is_some()
    }

    /// Opens a loop; what follows until [`ProgramBuilder::end_loop`] is its body.
    pub fn begin_loop(&mut self, var: Var, start: Integer, end: Integer, portion: Portion, lanes: bool) {
        let head = LaneLoop { var, start, end, portion, lanes, carried: Vec::new(), body: Vec::new() };
        self.blocks.push(Block { head: Some(head), ..Block::default() });
    }

    /// Opens a lane loop over `start..end`.
    pub fn begin_lanes(&mut self, var: Var, start: Integer, end: Integer) {
        self.begin_loop(var, start, end, Portion::Whole, true);
    }

    /// Declares an accumulator of the innermost open loop; its value at the start of an iteration is the result.
    /// `combine` is given exactly for a lane loop. Call it before the first item of the body.
    pub fn carry(&mut self, initial: Reg, combine: Option<Combine>) -> Reg {
        let Register { kind, .. } = self.register(initial);
        let varying = self.in_lane_loop();
        let inside = self.fresh(kind, varying);
        let lanes = self.innermost().lanes;
        let after = self.fresh(kind, varying && !lanes);
        self.innermost().carried.push(Carried { initial, inside, next: inside, after, combine });
        inside
    }

    /// Closes the innermost loop, given each accumulator's value at the end of an iteration in the order of the
    /// [`ProgramBuilder::carry`] calls; the result is their values after the loop.
    pub fn end_loop(&mut self, next: &[Reg]) -> Vec<Reg> {
        let block = self.blocks.pop().expect("downhill bug: no block is open; please report");
        let mut head = block.head.expect("downhill bug: end_loop without begin_loop; please report");
        assert_eq!(
            head.carried.len(),
            next.len(),
            "downhill bug: a next value for every accumulator; please report"
        );
        for (carried, &next) in head.carried.iter_mut().zip(next) {
            carried.next = next;
        }
        head.body = block.items;
        let after = head.carried.iter().map(|carried| carried.after).collect();
        self.block().items.push(LaneItem::Loop(head));
        after
    }

    /// `values`, where `mask` holds replaced by what `replace` computes from the values seen inside: code that costs nothing but a test
    /// for a block of elements in none of which the mask holds.
    pub fn replace_where(
        &mut self,
        mask: Reg,
        values: &[Reg],
        replace: impl FnOnce(&mut ProgramBuilder) -> Vec<Reg>,
    ) -> Vec<Reg> {
        let once = self.var();
        self.begin_loop(once, Integer::Constant(0), Integer::Constant(1), Portion::Where(mask), false);
        let inside: Vec<Reg> = values.iter().map(|&value| self.carry(value, None)).collect();
        let replaced = replace(self);
        let pairs = inside.iter().zip(replaced);
        let next: Vec<Reg> = pairs.map(|(&inside, new)| self.select(mask, new, inside)).collect();
        self.end_loop(&next)
    }

    /// The finished program.
    pub fn finish(mut self) -> LaneProgram {
        assert_eq!(self.blocks.len(), 1, "downhill bug: a loop was left open; please report");
        self.program.body = self.blocks.pop().map(|block| block.items).unwrap_or_default();
        self.program
    }

    /// An f32.
    pub fn constant_f(&mut self, value: f32) -> Reg {
        self.define(Kind::F32, false, Instruction::ConstantF(value.to_bits()))
    }

    /// An i32.
    pub fn constant_i(&mut self, value: i32) -> Reg {
        self.define(Kind::I32, false, Instruction::ConstantI(value))
    }

    /// A mask.
    pub fn constant_mask(&mut self, value: bool) -> Reg {
        self.define(Kind::Mask, false, Instruction::ConstantMask(value))
    }

    /// Reads an element.
    pub fn load(&mut self, kind: Kind, address: Address) -> Reg {
        let varying = self.is_varying(&address);
        self.define(kind, varying, Instruction::Load(address))
    }

    /// Writes an element.
    pub fn store(&mut self, address: Address, value: Reg) {
        self.block().items.push(LaneItem::Store { address, value });
    }

    /// Raises the alarm at `pointer` where `value` is infinite or NaN. A program has one alarm.
    pub fn watch(&mut self, pointer: u32, value: Reg) {
        self.program.alarm = Some(pointer);
        self.block().items.push(LaneItem::Watch(value));
    }

    /// `var + plus` as I32.
    pub fn counter(&mut self, var: Var, plus: i64) -> Reg {
        let varying = self.lane_var() == Some(var);
        self.define(Kind::I32, varying, Instruction::Counter { var, plus })
    }

    /// An integer argument, truncated to I32.
    pub fn argument(&mut self, argument: u32) -> Reg {
        self.define(Kind::I32, false, Instruction::Argument(argument))
    }

    /// An instruction of one operand.
    pub fn unary(&mut self, op: Unary, x: Reg) -> Reg {
        if let (Unary::FromI32, Some(&Instruction::ConstantI(value))) = (op, self.definition(x)) {
            return self.constant_f(value as f32);
        }
        self.operate(op.result(), Instruction::Unary(op, x))
    }

    /// An instruction of two operands.
    pub fn binary(&mut self, op: Binary, x: Reg, y: Reg) -> Reg {
        match (op, self.number(x), self.number(y)) {
            (Binary::MulF | Binary::DivF, _, Some(1.0)) => return x,
            (Binary::DivF, Some(x), Some(y)) => return self.constant_f(x / y),
            _ => {}
        }
        self.operate(op.kind(), Instruction::Binary(op, x, y))
    }

    /// `a·b + c`, rounded once.
    pub fn fma(&mut self, a: Reg, b: Reg, c: Reg) -> Reg {
        self.operate(Kind::F32, Instruction::Fma(a, b, c))
    }

    /// A comparison.
    pub fn compare(&mut self, op: Compare, x: Reg, y: Reg) -> Reg {
        self.operate(Kind::Mask, Instruction::Compare(op, x, y))
    }

    /// `if mask { a } else { b }`.
    pub fn select(&mut self, mask: Reg, a: Reg, b: Reg) -> Reg {
        let kind = self.register(a).kind;
        self.operate(kind, Instruction::Select(mask, a, b))
    }

    /// The value of a constant.
    fn number(&self, register: Reg) -> Option<f32> {
        match self.definition(register) {
            Some(&Instruction::ConstantF(bits)) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    fn operate(&mut self, kind: Kind, instruction: Instruction) -> Reg {
        let varying = instruction.operands().iter().any(|&operand| self.register(operand).varying);
        self.define(kind, varying, instruction)
    }

    /// What is known here is used again, unless it is read from memory.
    fn define(&mut self, kind: Kind, varying: bool, instruction: Instruction) -> Reg {
        let is_load = matches!(instruction, Instruction::Load(_));
        let key = (instruction, kind);
        if let Some(&known) = self.blocks.iter().find_map(|block| block.known.get(&key)) {
            return known;
        }
        let register = self.fresh(kind, varying);
        self.definitions.insert(register, key.0.clone());
        self.block().items.push(LaneItem::Let(register, key.0.clone()));
        if !is_load {
            self.block().known.insert(key, register);
        }
        register
    }

    fn fresh(&mut self, kind: Kind, varying: bool) -> Reg {
        self.program.registers.push(Register { kind, varying });
        Reg(self.program.registers.len() as u32 - 1)
    }

    fn lane_var(&self) -> Option<Var> {
        self.blocks
            .iter()
            .filter_map(|block| block.head.as_ref())
            .find(|head| head.lanes)
            .map(|head| head.var)
    }

    fn is_varying(&self, address: &Address) -> bool {
        let by_value = address.by.is_some_and(|by| self.register(by).varying);
        by_value || self.lane_var().is_some_and(|var| address.uses(var))
    }

    fn block(&mut self) -> &mut Block {
        self.blocks.last_mut().expect("downhill bug: no block is open; please report")
    }

    fn innermost(&mut self) -> &mut LaneLoop {
        self.block().head.as_mut().expect("downhill bug: no loop is open; please report")
    }
}

impl Address {
    /// The start of a pointer argument.
    pub fn new(pointer: u32) -> Address {
        Address { pointer, offset: 0, terms: Vec::new(), by: None }
    }

    /// Moved by `bytes`.
    pub fn offset(mut self, bytes: i64) -> Address {
        self.offset += bytes;
        self
    }

    /// Moved by `var · stride` bytes.
    pub fn index(self, var: Var, stride: Integer) -> Address {
        self.index_plus(var, 0, stride)
    }

    /// Moved by `(var + plus) · stride` bytes.
    pub fn index_plus(mut self, var: Var, plus: i64, stride: Integer) -> Address {
        self.terms.push(Term { index: Index::Var { var, plus }, stride });
        self
    }

    /// Moved by `table[var + plus] · stride` bytes.
    pub fn lookup(mut self, table: u32, var: Var, plus: i64, stride: Integer) -> Address {
        self.terms.push(Term { index: Index::Lookup { table, var, plus }, stride });
        self
    }

    /// Moved by as many elements as a register says.
    pub fn by(mut self, elements: Reg) -> Address {
        self.by = Some(elements);
        self
    }

    /// True when `var` is counted or looked up with.
    pub fn uses(&self, var: Var) -> bool {
        self.terms.iter().any(|term| term.index.var() == var)
    }

    /// True when elements of neighbouring values of `var` are neighbours in memory.
    pub(crate) fn is_contiguous_in(&self, var: Var) -> bool {
        let steps = |term: &Term| matches!(term.index, Index::Var { var: by, .. } if by == var);
        self.terms.iter().any(|term| steps(term) && term.stride == Integer::Constant(4))
    }
}

impl Index {
    /// The counter in it.
    pub fn var(self) -> Var {
        match self {
            Index::Var { var, .. } | Index::Lookup { var, .. } => var,
        }
    }
}
