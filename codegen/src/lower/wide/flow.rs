//! What holds at each point of straight code with labels and jumps. In: what holds at the head, what an instruction changes. Out: the
//! same at every label, whatever way leads there.
//!
//! Must hold of what is handed in: [`Known::meet`] only ever takes knowledge away, so that the walk ends.

use super::code::{Inst, Op};

/// Something known at a point of the code.
pub(super) trait Known: Clone {
    /// Keeps what `other` knows too; true if that took something away.
    fn meet(&mut self, other: &Self) -> bool;
}

/// Walks the code until what is known at its labels changes no more, then once again with `last` true. `step` is given each
/// instruction, with what is known before it, and makes of that what is known behind it.
pub(super) fn walk<R: Copy, K: Known>(
    code: &[&Inst<R>],
    labels: u32,
    head: K,
    mut step: impl FnMut(usize, &mut K, bool),
) {
    let mut at_labels: Vec<Option<K>> = vec![None; labels as usize];
    let mut last = false;
    loop {
        let mut again = false;
        let mut bound = vec![false; labels as usize];
        let mut known = head.clone();
        for (number, inst) in code.iter().enumerate() {
            let label = usize::try_from(inst.immediate).unwrap_or(usize::MAX);
            match inst.op {
                Op::Label => {
                    if let Some(there) = at_labels.get_mut(label) {
                        meet(there, &known);
                        known.clone_from(there.as_ref().unwrap_or(&head));
                        bound[label] = true;
                    }
                }
                op if op.is_jump() => {
                    if let Some(there) = at_labels.get_mut(label) {
                        // What a jump forward takes away is seen when its label comes.
                        again |= meet(there, &known) && bound[label];
                    }
                }
                _ => {}
            }
            step(number, &mut known, last);
        }

        if last {
            return;
        }
        last = !again;
    }
}

fn meet<K: Known>(there: &mut Option<K>, known: &K) -> bool {
    match there {
        Some(there) => there.meet(known),
        None => {
            *there = Some(known.clone());
            true
        }
    }
}
