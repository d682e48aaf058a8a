//! The verifier of lane programs. In: a [`LaneProgram`]. Out: every violation found, in words.
//!
//! Checked:
//! - every register, pointer, integer argument and counter named exists; a register is assigned once;
//! - a register is used after its definition, in the loop that defines it or deeper; a counter inside its loop, and no
//!   loop opens a counter that is open already;
//! - operands, results, stored values and accumulators have the kind their instruction asks for (masks stay in registers);
//! - a register varies when an operand, its address or its counter does, and only inside a lane loop; a constant and an
//!   argument are uniform;
//! - a store inside a lane loop has a varying address; outside nothing varies; a uniform address stores a uniform value;
//! - no lane loop inside a lane loop, and a lane loop's portion is `Whole` or a `Chunk`; blocks and chunks have at least one index;
//! - the number of a chunk is the counter of a loop around it that is no lane loop;
//! - an accumulator of a lane loop has a combine of its kind, a uniform initial and after, a varying inside; of a
//!   counted loop no combine, inside and after of one variance, uniform only if initial and next are;
//! - a watched value is an F32, and the program has an alarm for it;
//! - an iteration that may be skipped is the only one of its loop, has a visible mask, neither loops nor stores, and carries only selects
//!   by that mask;
//! - an address has at most one term for each counter; offsets are multiples of four; a table is never stored to; what it is moved by
//!   is an I32, and varies only where no term has the lane loop's counter.

use super::program::*;

/// Every violation in `program`; empty for a program that may be lowered.
pub fn verify(program: &LaneProgram) -> Vec<String> {
    let mut verifier = Verifier {
        program,
        violations: Vec::new(),
        visible: vec![false; program.registers.len()],
        assigned: vec![false; program.registers.len()],
        open: Vec::new(),
        tables: vec![false; program.pointers as usize],
        stored: vec![false; program.pointers as usize],
    };
    verifier.items(&program.body);
    for pointer in 0..program.pointers as usize {
        let both = verifier.tables[pointer] && verifier.stored[pointer];
        verifier.check(!both, || format!("table p{pointer} is stored to"));
    }
    verifier.violations
}

/// Panics with the text of the program and all violations: a broken program is downhill's own mistake.
pub fn assert_valid(program: &LaneProgram) {
    let violations = verify(program);
    let list = violations.join("\n  ");
    assert!(violations.is_empty(), "downhill bug: invalid lane program; please report\n  {list}\n{program}");
}

struct Verifier<'a> {
    program: &'a LaneProgram,
    violations: Vec<String>,
    visible: Vec<bool>,
    assigned: Vec<bool>,
    /// Open loops: the counter, and whether its a lane loop.
    open: Vec<(Var, bool)>,
    tables: Vec<bool>,
    stored: Vec<bool>,
}

impl Verifier<'_> {
    fn check(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(message());
        }
    }

    fn items(&mut self, items: &[LaneItem]) {
        for item in items {
            match item {
                LaneItem::Let(register, instruction) => {
                    self.instruction(*register, instruction);
                    self.define(*register);
                }
                LaneItem::Store { address, value } => self.store(address, *value),
                LaneItem::Watch(value) => self.watch(*value),
                LaneItem::Loop(item) => self.item_loop(item),
            }
        }
    }

    fn instruction(&mut self, register: Reg, instruction: &Instruction) {
        let operands = instruction.operands();
        let kinds: Vec<Option<Kind>> = operands.iter().map(|&operand| self.usable(operand)).collect();
        if kinds.contains(&None) || register.0 as usize >= self.program.registers.len() {
            return self.check(false, || format!("r{}: unknown register", register.0));
        }
        let kinds: Vec<Kind> = kinds.into_iter().flatten().collect();
        let result = self.program.registers[register.0 as usize];
        let (expected, fits) = match instruction {
            Instruction::ConstantF(_) | Instruction::Fma(..) => {
                (Kind::F32, kinds.iter().all(|&k| k == Kind::F32))
            }
            Instruction::ConstantI(_) | Instruction::Counter { .. } | Instruction::Argument(_) => {
                (Kind::I32, true)
            }
            Instruction::ConstantMask(_) => (Kind::Mask, true),
            Instruction::Load(_) => {
                (result.kind, result.kind != Kind::Mask && kinds.iter().all(|&k| k == Kind::I32))
            }
            Instruction::Unary(op, _) => (op.result(), kinds[0] == op.operand()),
            Instruction::Binary(op, ..) => (op.kind(), kinds.iter().all(|&k| k == op.kind())),
            Instruction::Compare(op, ..) => (Kind::Mask, kinds.iter().all(|&k| k == op.operand())),
            Instruction::Select(..) => (kinds[1], kinds[0] == Kind::Mask && kinds[1] == kinds[2]),
        };
        self.check(fits && result.kind == expected, || format!("r{}: kinds do not fit", register.0));
        let varying =
            operands.iter().any(|&operand| self.varies(operand)) || self.varying_source(instruction);
        self.check(result.varying == varying, || format!("r{}: varies should be {varying}", register.0));
    }

    /// Whether a load, counter or argument varies; checks what it names.
    fn varying_source(&mut self, instruction: &Instruction) -> bool {
        match instruction {
            Instruction::Load(address) => self.address(address),
            Instruction::Counter { var, .. } => {
                self.counter(*var);
                self.lane_var() == Some(*var)
            }
            Instruction::Argument(argument) => {
                self.integer(Integer::Argument(*argument));
                false
            }
            _ => false,
        }
    }

    fn store(&mut self, address: &Address, value: Reg) {
        let varying = self.address(address);
        let kind = self.usable(value);
        self.check(kind.is_some_and(|kind| kind != Kind::Mask), || {
            format!("store of r{}: no such element", value.0)
        });
        self.check(varying || !self.varies(value), || {
            format!("store of varying r{} at one address", value.0)
        });
        let in_lanes = self.lane_var().is_some();
        self.check(varying == in_lanes, || format!("store of r{}: uniform inside a lane loop", value.0));
        if let Some(stored) = self.stored.get_mut(address.pointer as usize) {
            *stored = true;
        }
    }

    fn watch(&mut self, value: Reg) {
        let kind = self.usable(value);
        self.check(kind == Some(Kind::F32), || format!("watch of r{}: no float", value.0));
        match self.program.alarm {
            Some(alarm) => self.pointer(alarm),
            None => self.check(false, || format!("watch of r{}: there is no alarm", value.0)),
        }
    }

    /// True when the address varies.
    fn address(&mut self, address: &Address) -> bool {
        self.pointer(address.pointer);
        self.check(address.offset % ELEMENT_BYTES == 0, || {
            format!("offset {} is not a multiple of {ELEMENT_BYTES}", address.offset)
        });
        for (at, term) in address.terms.iter().enumerate() {
            let var = term.index.var();
            self.counter(var);
            self.integer(term.stride);
            let again = address.terms[..at].iter().any(|other| other.index.var() == var);
            self.check(!again, || format!("two terms of v{} in an address", var.0));
            if let Integer::Constant(stride) = term.stride {
                self.check(stride % ELEMENT_BYTES == 0, || {
                    format!("stride {stride} is not a multiple of {ELEMENT_BYTES}")
                });
            }
            if let Index::Lookup { table, .. } = term.index {
                self.pointer(table);
                if let Some(is_table) = self.tables.get_mut(table as usize) {
                    *is_table = true;
                }
            }
        }
        let by_lane = self.lane_var().is_some_and(|var| address.uses(var));
        let Some(by) = address.by else { return by_lane };
        let kind = self.usable(by);
        self.check(kind == Some(Kind::I32), || format!("an address moved by r{}: no integer", by.0));
        self.check(!(by_lane && self.varies(by)), || {
            format!("an address moved by r{}, which varies, and by the lane loop's counter", by.0)
        });
        by_lane || self.varies(by)
    }

    fn item_loop(&mut self, item: &LaneLoop) {
        self.integer(item.start);
        self.integer(item.end);
        let var = item.var;
        self.check(var.0 < self.program.vars, || format!("unknown counter v{}", var.0));
        let shadows = self.open.iter().any(|&(open, _)| open == var);
        self.check(!shadows, || format!("counter v{} is open already", var.0));
        let nested = item.lanes && self.lane_var().is_some();
        self.check(!nested, || format!("lane loop v{} inside a lane loop", var.0));
        let in_order = matches!(item.portion, Portion::Whole | Portion::Chunk { .. });
        self.check(!item.lanes || in_order, || format!("lane loop v{} is neither whole nor a chunk", var.0));
        if let Portion::Chunk { number, length } = item.portion {
            self.integer(length);
            let counts = self.open.iter().any(|&(open, lanes)| open == number && !lanes);
            self.check(counts, || format!("no loop around loop v{} counts chunks by v{}", var.0, number.0));
        }
        let empty = match item.portion {
            Portion::Blocks(n) | Portion::Rest(n) => n == 0,
            Portion::Chunk { length: Integer::Constant(length), .. } => length <= 0,
            Portion::Chunk { .. } | Portion::Whole | Portion::Where(_) => false,
        };
        self.check(!empty, || format!("blocks of no index in loop v{}", var.0));
        for carried in &item.carried {
            self.usable(carried.initial);
        }
        if let Portion::Where(mask) = item.portion {
            self.left_out(item, mask);
        }
        self.body(item);
        for carried in &item.carried {
            self.define(carried.after);
        }
    }

    /// An iteration that a target may skip.
    fn left_out(&mut self, item: &LaneLoop, mask: Reg) {
        let name = item.var.0;
        let kind = self.usable(mask);
        self.check(kind == Some(Kind::Mask), || format!("loop v{name} where r{} holds: no mask", mask.0));
        let once = (item.start, item.end) == (Integer::Constant(0), Integer::Constant(1));
        self.check(once, || format!("loop v{name} may be left out, so it is one turn"));
        let pure = item.body.iter().all(|item| matches!(item, LaneItem::Let(..)));
        self.check(pure, || format!("loop v{name} may be left out, so it neither loops nor stores"));
        for carried in &item.carried {
            let chosen = item.body.iter().any(|item| match item {
                LaneItem::Let(register, Instruction::Select(by, _, other)) => {
                    (*register, *by, *other) == (carried.next, mask, carried.inside)
                }
                _ => false,
            });
            let (next, mask) = (carried.next.0, mask.0);
            self.check(chosen, || format!("loop v{name}: r{next} does not stay as it was without r{mask}"));
        }
    }

    fn body(&mut self, item: &LaneLoop) {
        let visible = self.visible.clone();
        self.open.push((item.var, item.lanes));
        for carried in &item.carried {
            self.define(carried.inside);
        }
        self.items(&item.body);
        for carried in &item.carried {
            self.usable(carried.next);
            self.carried(item.lanes, carried);
        }
        self.open.pop();
        self.visible = visible;
    }

    fn carried(&mut self, lanes: bool, carried: &Carried) {
        let &Carried { initial, inside, next, after, combine } = carried;
        let all =
            [initial, inside, next, after].map(|register| self.program.registers.get(register.0 as usize));
        let [Some(initial), Some(inside), Some(next), Some(after)] = all else { return };
        let name = carried.inside.0;
        let one_kind = [inside, next, after].iter().all(|other| other.kind == initial.kind);
        self.check(one_kind, || format!("accumulator r{name}: kinds differ"));
        self.check(combine.is_some() == lanes, || {
            format!("accumulator r{name}: combine is for lane loops, exactly")
        });
        if let Some(combine) = combine {
            self.check(combine.kind() == initial.kind, || {
                format!("accumulator r{name}: combine of another kind")
            });
            let fits = !initial.varying && inside.varying && !after.varying;
            self.check(fits, || format!("accumulator r{name}: only inside may vary in a lane loop"));
        } else {
            let fits =
                inside.varying == after.varying && (inside.varying || !(initial.varying || next.varying));
            self.check(fits, || format!("accumulator r{name}: variance changes from turn to turn"));
        }
    }

    fn define(&mut self, register: Reg) {
        let at = register.0 as usize;
        if at >= self.assigned.len() {
            return self.check(false, || format!("unknown register r{at}"));
        }
        let again = std::mem::replace(&mut self.assigned[at], true);
        self.check(!again, || format!("r{at} is assigned twice"));
        let stray = self.program.registers[at].varying && self.lane_var().is_none();
        self.check(!stray, || format!("r{at} varies outside a lane loop"));
        self.visible[at] = true;
    }

    /// The kind of a register that may be read here.
    fn usable(&mut self, register: Reg) -> Option<Kind> {
        let visible = self.visible.get(register.0 as usize).copied().unwrap_or(false);
        self.check(visible, || format!("r{} is not visible where it is used", register.0));
        self.program.registers.get(register.0 as usize).map(|register| register.kind)
    }

    fn varies(&self, register: Reg) -> bool {
        self.program.registers.get(register.0 as usize).is_some_and(|register| register.varying)
    }

    fn lane_var(&self) -> Option<Var> {
        self.open.iter().find(|&&(_, lanes)| lanes).map(|&(var, _)| var)
    }

    fn counter(&mut self, var: Var) {
        let open = self.open.iter().any(|&(open, _)| open == var);
        self.check(open, || format!("counter v{} is not open", var.0));
    }

    fn pointer(&mut self, pointer: u32) {
        self.check(pointer < self.program.pointers, || format!("unknown pointer p{pointer}"));
    }

    fn integer(&mut self, integer: Integer) {
        let Integer::Argument(argument) = integer else { return };
        self.check(argument < self.program.integers, || format!("unknown integer n{argument}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::verify;

    fn sum() -> LaneProgram {
        let mut b = ProgramBuilder::new();
        let (x, y, n, j) = (b.pointer(), b.pointer(), b.integer(), b.var());
        let zero = b.constant_f(0.0);
        b.begin_lanes(j, Integer::Constant(0), n);
        let sum = b.carry(zero, Some(Combine::AddF));
        let element = b.load(Kind::F32, Address::new(x).index(j, Integer::Constant(4)));
        let next = b.binary(Binary::AddF, sum, element);
        let after = b.end_loop(&[next]);
        b.store(Address::new(y), after[0]);
        b.finish()
    }

    #[test]
    fn a_good_program_passes() {
        assert_eq!(verify(&sum()), Vec::<String>::new());
    }

    #[test]
    fn all_violations_are_found() {
        let mut program = sum();
        program.body.push(LaneItem::Let(Reg(0), Instruction::Unary(Unary::NotI, Reg(3))));
        program.body.push(LaneItem::Store { address: Address::new(7).offset(2), value: Reg(99) });
        let violations = verify(&program);
        for expected in [
            "r3 is not visible",
            "kinds do not fit",
            "assigned twice",
            "unknown pointer p7",
            "r99",
            "offset 2",
        ] {
            assert!(
                violations.iter().any(|violation| violation.contains(expected)),
                "{expected}: {violations:?}"
            );
        }
    }

    #[test]
    fn a_turn_that_may_be_left_out_changes_nothing_elsewhere() {
        let mut b = ProgramBuilder::new();
        let (x, y, j, once) = (b.pointer(), b.pointer(), b.var(), b.var());
        let zero = b.constant_f(0.0);
        b.begin_lanes(j, Integer::Constant(0), Integer::Constant(4));
        let element = b.load(Kind::F32, Address::new(x).index(j, Integer::Constant(4)));
        let negative = b.compare(Compare::LtF, element, zero);
        let kept = b.replace_where(negative, &[element], |b| vec![b.unary(Unary::SqrtF, element)]);
        b.begin_loop(once, Integer::Constant(0), Integer::Constant(2), Portion::Where(negative), false);
        let inside = b.carry(kept[0], None);
        let next = b.unary(Unary::NegF, inside);
        b.store(Address::new(y).index(j, Integer::Constant(4)), next);
        b.end_loop(&[next]);
        b.end_loop(&[]);
        let violations = verify(&b.finish());
        let expected = ["is one turn", "neither loops nor stores", "does not stay as it was"];
        assert_eq!(violations.len(), 3, "{violations:?}");
        assert!(violations.iter().zip(expected).all(|(found, word)| found.contains(word)), "{violations:?}");
    }

    #[test]
    fn lane_loops_do_not_nest() {
        let mut b = ProgramBuilder::new();
        let (i, j) = (b.var(), b.var());
        b.begin_lanes(i, Integer::Constant(0), Integer::Constant(4));
        b.begin_lanes(j, Integer::Constant(0), Integer::Constant(4));
        b.end_loop(&[]);
        b.end_loop(&[]);
        assert_eq!(verify(&b.finish()), ["lane loop v1 inside a lane loop"]);
    }
}
