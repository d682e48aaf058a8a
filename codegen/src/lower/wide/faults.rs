//! Faults put into good machine code, each of which the verifier or the check must find.

use super::allocate::allocate;
use super::check::check;
use super::code::{Base, Class, Code, Inst, Memory, Op, Source, V};
use super::machine::{Allocated, Physical, Placed};
use super::select::select;
use super::text::{Violation, allocated_lines, in_context, selected_lines};
use super::verify::verify;
use crate::lane::{Address, Binary, Compare, Integer, Kind, LaneProgram, Portion, ProgramBuilder, Reg};
use crate::target::Extension;

const FOUR: Integer = Integer::Constant(4);
const LEVELS: [Extension; 2] = [Extension::Avx2, Extension::Avx512];

/// Sums over a loop of more rows than there are registers, whose addresses want more general registers than there are too, and are
/// masked at the end of the lane loop.
fn busy() -> LaneProgram {
    let mut b = ProgramBuilder::new();
    let pointers: Vec<u32> = (0..20).map(|_| b.pointer()).collect();
    let (n, rows, stride) = (b.integer(), b.integer(), b.integer());
    let (j, k) = (b.var(), b.var());
    let (zero, limit) = (b.constant_f(0.0), b.constant_f(3.5));
    b.begin_lanes(j, Integer::Constant(0), n);
    b.begin_loop(k, Integer::Constant(0), rows, Portion::Whole, false);
    let sums: Vec<Reg> = (0..36).map(|_| b.carry(zero, None)).collect();
    let factor = b.load(Kind::F32, Address::new(pointers[0]).index(k, FOUR));
    let mut next = Vec::new();
    for (row, &sum) in sums.iter().enumerate() {
        let place = Address::new(pointers[row % 18]).index(k, stride).index(j, FOUR).offset(4 * row as i64);
        let element = b.load(Kind::F32, place);
        let product = b.fma(factor, element, sum);
        let large = b.compare(Compare::LtF, limit, product);
        next.push(b.select(large, element, product));
    }
    let mut sum = zero;
    for after in b.end_loop(&next) {
        let difference = b.binary(Binary::SubF, after, sum);
        sum = b.binary(Binary::DivF, difference, after);
    }
    b.store(Address::new(pointers[19]).index(j, FOUR), sum);
    b.end_loop(&[]);
    b.finish()
}

fn good(level: Extension) -> (Code, Allocated) {
    let code = select(&busy(), level);
    let found = verify(&code);
    assert!(found.is_empty(), "{}", in_context(&selected_lines(&code), &found));
    let allocated = allocate(&code);
    let found = check(&code, &allocated);
    assert!(found.is_empty(), "{}", in_context(&allocated_lines(&code, &allocated), &found));
    (code, allocated)
}

fn copy(allocated: &Allocated) -> Allocated {
    Allocated {
        instructions: allocated.instructions.clone(),
        saved: allocated.saved.clone(),
        frame: allocated.frame,
    }
}

/// Most faults of one kind that are tried on one function.
const TRIED: usize = 12;

/// Puts a fault at instructions all over the code, those that `at` can put one at; each must be found, with this word.
fn each_is_found(word: &str, mut at: impl FnMut(&Code, &mut Allocated, usize) -> bool) {
    for level in LEVELS {
        let (code, allocated) = good(level);
        let mut places: Vec<usize> = (0..allocated.instructions.len()).collect();
        places.retain(|&place| at(&code, &mut copy(&allocated), place));
        assert!(places.len() > 4, "{level:?}: {} places for `{word}`", places.len());
        for &place in places.iter().step_by(places.len().div_ceil(TRIED)) {
            let mut broken = copy(&allocated);
            at(&code, &mut broken, place);
            let found = check(&code, &broken);
            let text = || {
                let around = [Violation { at: place, what: "the fault".to_owned() }];
                in_context(&allocated_lines(&code, &broken), &around)
            };
            assert!(
                found.iter().any(|violation| violation.what.contains(word)),
                "{level:?}: not found at {place}: {found:?}\n{}",
                text()
            );
        }
    }
}

fn other(register: Physical) -> Physical {
    Physical { number: if register.number == 5 { 6 } else { 5 }, ..register }
}

#[test]
fn a_wrong_register() {
    for position in 0..3 {
        each_is_found("is read from", |_, allocated, at| {
            let Placed { inst, origin } = &mut allocated.instructions[at];
            let Source::Register(register) = &mut inst.from[position] else { return false };
            *register = other(*register);
            origin.is_some()
        });
    }
}

#[test]
fn a_wrong_base_of_an_address() {
    each_is_found("is read from", |_, allocated, at| {
        for source in &mut allocated.instructions[at].inst.from {
            if let Source::Memory(Memory { base: Base::Register(base), .. }) = source {
                *base = other(*base);
                return true;
            }
        }
        false
    });
}

#[test]
fn a_wrong_mask() {
    let (code, allocated) = good(Extension::Avx512);
    let masked = allocated.instructions.iter().position(|placed| placed.inst.mask.is_some());
    let mut broken = copy(&allocated);
    let mask = &mut broken.instructions[masked.expect("a masked instruction")].inst.mask;
    *mask = mask.map(other);
    assert!(!check(&code, &broken).is_empty());
}

#[test]
fn a_wrong_target() {
    each_is_found("is read", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        let Some(to) = inst.to.filter(|to| origin.is_some() && to.class == Class::Vector) else {
            return false;
        };
        inst.to = Some(other(to));
        true
    });
}

/// Whether the register would hold the same without this reload.
fn is_needless(allocated: &Allocated, at: usize) -> bool {
    let Inst { to: Some(to), from: [Source::Memory(memory), ..], .. } = allocated.instructions[at].inst
    else {
        return true;
    };
    let is_spill = |placed: &&Placed| {
        placed.inst.from[0] == Source::Memory(memory) && placed.inst.from[1] == Source::Register(to)
    };
    for before in (0..at).rev() {
        let inst = &allocated.instructions[before].inst;
        if inst.op.is_control() {
            return false;
        }
        if inst.to == Some(to) {
            let spilled = allocated.instructions[before..at].iter().any(|placed| is_spill(&placed));
            return inst.from[0] == Source::Memory(memory) || spilled;
        }
    }
    false
}

#[test]
fn a_lost_reload() {
    each_is_found("is read", |_, allocated, at| {
        let is_reload = allocated.instructions[at].origin.is_none() && !is_needless(allocated, at);
        allocated.instructions.remove(at);
        is_reload
    });
}

#[test]
fn a_lost_spill() {
    each_is_found("is read", |code, allocated, at| {
        let lost = allocated.instructions.remove(at);
        // Of a value that is made once: another one may not be read from its slot on every way.
        let maker = at.checked_sub(1).and_then(|before| allocated.instructions[before].origin);
        let made = maker.and_then(|origin| code.instructions[origin as usize].to);
        let once = code.instructions.iter().filter(|inst| inst.to == made).count() == 1;
        lost.origin.is_none() && lost.inst.op.stores() && once
    });
}

#[test]
fn a_swapped_operand() {
    each_is_found("is read from", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        let registers = |source: &Source<Physical>| matches!(source, Source::Register(_));
        let both = inst.from[..2].iter().all(registers) && inst.from[0] != inst.from[1];
        inst.from.swap(0, 1);
        both && origin.is_some()
    });
}

#[test]
fn operands_swapped_between_register_and_memory() {
    each_is_found("is not the one selected", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        let [Source::Register(_), Source::Memory(_), Source::None] = inst.from else { return false };
        inst.from.swap(0, 1);
        origin.is_some()
    });
}

#[test]
fn the_slot_of_another_value() {
    each_is_found("is read", |code, allocated, at| {
        let slots: Vec<u32> = allocated
            .instructions
            .iter()
            .filter(|placed| placed.origin.is_none() && placed.inst.op == Op::Store)
            .filter_map(|placed| match placed.inst.from[0] {
                Source::Memory(Memory { base: Base::Frame(place), .. }) => Some(place),
                _ => None,
            })
            .collect();
        let Placed { inst, .. } = &mut allocated.instructions[at];
        for source in &mut inst.from {
            let Source::Memory(Memory { base: Base::Frame(place), .. }) = source else { continue };
            let Some(&another) = slots.iter().find(|&&slot| slot != *place) else { continue };
            let vector = *place >= code.frame && slots.contains(place) && !inst.op.stores();
            *place = another;
            return vector;
        }
        false
    });
}

#[test]
fn another_constant() {
    each_is_found("constant", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        match &mut inst.from[0] {
            Source::Memory(Memory { base: Base::Argument(number), .. }) if origin.is_none() => {
                *number += 1;
                true
            }
            _ => false,
        }
    });
}

#[test]
fn a_callee_saved_register_is_lost() {
    for level in LEVELS {
        let (code, allocated) = good(level);
        for lost in 0..allocated.saved.len() {
            let mut broken = copy(&allocated);
            let register = broken.saved.remove(lost);
            let found = check(&code, &broken);
            assert!(
                found.iter().any(|violation| violation.what.ends_with("is set and not saved")),
                "{register:?}"
            );
        }
        let mut broken = copy(&allocated);
        broken.saved[0].number = 0;
        assert!(check(&code, &broken).iter().any(|violation| violation.what == "rax need not be saved"));
    }
}

#[test]
fn another_instruction() {
    each_is_found("was selected", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        inst.op = if inst.op == Op::SubF { Op::AddF } else { Op::SubF };
        origin.is_some()
    });
    each_is_found("was selected", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        inst.immediate += 1;
        origin.is_some()
    });
    each_is_found("is left out", |code, allocated, at| {
        let lost = allocated.instructions.remove(at);
        lost.origin.is_some_and(|origin| code.constant(&code.instructions[origin as usize]).is_none())
    });
    each_is_found("order", |_, allocated, at| {
        let Some(next) = allocated.instructions.get(at + 1).copied() else { return false };
        allocated.instructions.swap(at, at + 1);
        next.origin.is_some() && allocated.instructions[at + 1].origin.is_some()
    });
}

#[test]
fn spills_beside_their_room() {
    each_is_found("a spill", |_, allocated, at| {
        let Placed { inst, origin } = &mut allocated.instructions[at];
        match &mut inst.from[0] {
            Source::Memory(Memory { base: Base::Frame(place), .. })
                if origin.is_none() && inst.op.stores() =>
            {
                *place += if at.is_multiple_of(2) { 4 } else { allocated.frame };
                true
            }
            _ => false,
        }
    });
}

/// Changes virtual code; the verifier must say exactly this.
fn verifier_says(level: Extension, expected: &str, change: impl FnOnce(&mut Code)) {
    let mut code = select(&busy(), level);
    assert!(verify(&code).is_empty());
    change(&mut code);
    let found = verify(&code);
    let said = found.iter().any(|violation| violation.what.contains(expected));
    assert!(said, "{expected}: {found:?}");
    let text = in_context(&selected_lines(&code), &found);
    assert!(text.contains(&format!("^ {}", found[0].what)), "{text}");
}

/// The first instruction of this kind.
fn first(code: &mut Code, is: impl Fn(&Inst) -> bool) -> &mut Inst {
    code.instructions.iter_mut().find(|inst| is(inst)).expect("there is one")
}

#[test]
fn registers_that_are_not_set() {
    verifier_says(Extension::Avx2, "is read before it is set", |code| {
        code.instructions.retain(|inst| inst.op != Op::Zero);
    });
    // One path sets it, the other jumps over that.
    verifier_says(Extension::Avx2, "is read before it is set", |code| {
        let jump = code.instructions.iter().position(|inst| inst.op.is_jump()).expect("a loop");
        let (v, label) = (code.register(Class::General), code.instructions[jump].immediate);
        let set = Inst::new(Op::SetGeneral, Some(v), &[]);
        code.instructions.insert(jump + 1, set);
        let bound = |inst: &Inst| inst.op == Op::Label && inst.immediate == label;
        let label = code.instructions.iter().position(bound).expect("bound");
        let read = Inst::new(Op::AddImmediate, Some(v), &[]).immediate(1);
        code.instructions.insert(label + 1, read);
    });
    // An iteration reads what only the iteration before has set.
    verifier_says(Extension::Avx2, "is read before it is set", |code| {
        let head = code.instructions.iter().position(|inst| inst.op == Op::LoopHead).expect("a loop");
        let v = code.register(Class::General);
        let (read, set) = (Inst::new(Op::MoveGeneral, Some(v), &[Source::Register(v)]), head + 2);
        code.instructions.insert(set, read);
    });
}

#[test]
fn operands_of_another_shape() {
    let is_fma = |inst: &Inst| inst.op == Op::Fma;
    verifier_says(Extension::Avx2, "is no Vector register", |code| {
        first(code, is_fma).from[0] = Source::Register(V(0));
    });
    verifier_says(Extension::Avx2, "is no Vector register", |code| {
        first(code, is_fma).from[0] = Source::Register(V(99_999))
    });
    verifier_says(Extension::Avx2, "operand 2 is not", |code| first(code, is_fma).from[2] = Source::None);
    verifier_says(Extension::Avx2, "operand 2 is one too many", |code| {
        first(code, |inst| inst.op == Op::DivF).from[2] = Source::Register(V(0));
    });
    verifier_says(Extension::Avx2, "2 operands are in memory", |code| {
        let fma = first(code, is_fma);
        fma.from = [Source::Memory(Memory::at(Base::Frame(0))); 3];
        fma.from[2] = Source::None;
    });
    verifier_says(Extension::Avx2, "is read into every lane", |code| {
        let literal = code.literal(0);
        first(code, is_fma).from[1] = Source::Memory(Memory { broadcast: true, ..literal });
    });
    verifier_says(Extension::Avx2, "sets a register", |code| first(code, is_fma).to = None);
    verifier_says(Extension::Avx2, "Avx2 has no MaskOnes", |code| first(code, is_fma).op = Op::MaskOnes);
    verifier_says(Extension::Avx2, "takes no mask", |code| first(code, is_fma).mask = Some(V(0)));
    verifier_says(Extension::Avx512, "wants a mask", |code| {
        first(code, |inst| inst.op == Op::Blend).mask = None
    });
    verifier_says(Extension::Avx2, "does not fit", |code| {
        first(code, |inst| inst.op == Op::AddImmediate).immediate = 1 << 40;
    });
}

#[test]
fn memory_that_is_not_its_own() {
    let store = |memory: Memory| {
        move |code: &mut Code| {
            let last = code.instructions.len() - 1;
            let zero = code.register(Class::Vector);
            code.instructions.insert(last, Inst::new(Op::Zero, Some(zero), &[]));
            let from = [Source::Memory(memory), Source::Register(zero)];
            code.instructions.insert(last + 1, Inst::new(Op::Store, None, &from));
        }
    };
    verifier_says(Extension::Avx512, "lie outside of the frame", store(Memory::at(Base::Frame(64))));
    verifier_says(Extension::Avx2, "a literal is written", store(Memory::at(Base::Pool(0))));
    verifier_says(Extension::Avx2, "lie outside of the literals", store(Memory::at(Base::Pool(4000))));
    verifier_says(Extension::Avx2, "an argument is written", store(Memory::at(Base::Argument(7))));
    verifier_says(Extension::Avx2, "is not on the stack", store(Memory::at(Base::Argument(2))));
    let scaled = Memory { index: Some(V(0)), scale: 3, ..Memory::at(Base::Register(V(1))) };
    verifier_says(Extension::Avx2, "scaled by 3", store(scaled));
    verifier_says(Extension::Avx2, "is not what lies at its home", |code| {
        let home = *code.homes.values().find(|home| matches!(home.base, Base::Argument(_))).expect("a home");
        code.homes.insert(V(0), home);
    });
}

#[test]
fn control_that_leads_elsewhere() {
    let is_jump = |inst: &Inst| inst.op.is_jump();
    let is_label = |inst: &Inst| inst.op == Op::Label;
    verifier_says(Extension::Avx2, "is not bound", |code| {
        let label = code.label();
        first(code, is_jump).immediate = i64::from(label.0);
    });
    verifier_says(Extension::Avx2, "is bound twice", |code| {
        let label = *first(code, is_label);
        code.push(label);
    });
    verifier_says(Extension::Avx2, "lies in a loop that is not open here", |code| {
        let head = code.instructions.iter().position(|inst| inst.op == Op::LoopHead).expect("a loop");
        let inside = code.instructions[head + 1].immediate;
        first(code, is_jump).immediate = inside;
    });
    verifier_says(Extension::Avx2, "a loop does not end", |code| {
        let end = code.instructions.iter().rposition(|inst| inst.op == Op::LoopEnd).expect("a loop");
        code.instructions.remove(end);
    });
    verifier_says(Extension::Avx2, "a jump back", |code| {
        let end = code.instructions.iter().position(|inst| inst.op == Op::LoopEnd).expect("a loop");
        code.instructions.insert(end, Inst::new(Op::LoopHead, None, &[]));
        code.instructions.insert(end, Inst::new(Op::LoopEnd, None, &[]));
        code.instructions[end - 1].immediate = code.instructions[..end]
            .iter()
            .find(|inst| inst.op == Op::Label)
            .map_or(0, |label| label.immediate);
    });
    verifier_says(Extension::Avx2, "flags are set and used", |code| {
        let jump = code.instructions.iter().position(|inst| inst.op.is_jump()).expect("a jump");
        let v = code.register(Class::General);
        code.instructions.insert(jump, Inst::new(Op::SetGeneral, Some(v), &[]));
    });
    verifier_says(Extension::Avx2, "is taken behind the head", |code| {
        let v = code.register(Class::General);
        code.push(Inst::new(Op::Entry, Some(v), &[]));
    });
}

#[test]
fn frames_that_do_not_hold_what_code_uses() {
    for level in LEVELS {
        let (mut code, allocated) = good(level);
        code.frame = allocated.frame + 8;
        let found = check(&code, &allocated);
        let said = found.iter().any(|violation| violation.what.contains("of which the code uses"));
        assert!(said, "{level:?}: {found:?}");
    }
}
