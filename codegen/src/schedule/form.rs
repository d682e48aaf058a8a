//! Kernels that differ in their buffers alone.
//!
//! In: kernels of a plan. Out: for each its *form*, the kernel with its buffers numbered as they come, and the numbers that they have in
//! the entry. What is chosen for a form, and the code that is made of it, serves every kernel of that form: a network of a thousand
//! equal layers has the forms of one.
//!
//! Must hold: nothing that is decided for a kernel looks at the numbers of its buffers. A form keeps what kind of memory each is, and
//! all of a kernel's buffers are in use at once, so that none overlap.
//!
//! # Decisions
//!
//! - Kernels that differ in their buffers alone have one *form* (`form.rs`): schedule, lane program and code are made once for
//!   it: a thousand equal layers are scheduled, packed, emitted and lowered as one; a second variant of an entry begins at the
//!   schedule.

use crate::ir::kernel::{Buffer, Kernel};
use downhill_graph::hash::Map;

/// The kernel as any of its form, and the numbers of its buffers in the entry.
pub(crate) fn form(kernel: &Kernel) -> (Kernel, Vec<usize>) {
    let (mut known, mut numbers) = (Map::default(), Vec::new());
    let mut form = kernel.map_buffers(&mut |buffer| {
        let place = *known.entry(buffer).or_insert_with(|| {
            numbers.push(number(buffer).unwrap_or_default());
            numbers.len() - 1
        });
        numbered(buffer, place)
    });
    form.name.clear();
    (form, numbers)
}

/// A buffer of a form, as it is called in the entry.
pub(crate) fn buffer_of(numbers: &[usize], buffer: Buffer) -> Buffer {
    number(buffer).map_or(buffer, |place| numbered(buffer, numbers[place]))
}

/// Its number in the entry, where it has one.
pub(crate) fn number(buffer: Buffer) -> Option<usize> {
    match buffer {
        Buffer::Input(n) | Buffer::Storage(n) | Buffer::Output(n) | Buffer::Arena(n) | Buffer::Scratch(n) => {
            Some(n)
        }
        Buffer::Loss | Buffer::Watched => None,
    }
}

/// Memory of the same kind under another number.
pub(crate) fn numbered(buffer: Buffer, n: usize) -> Buffer {
    match buffer {
        Buffer::Input(_) => Buffer::Input(n),
        Buffer::Storage(_) => Buffer::Storage(n),
        Buffer::Output(_) => Buffer::Output(n),
        Buffer::Arena(_) => Buffer::Arena(n),
        Buffer::Scratch(_) => Buffer::Scratch(n),
        Buffer::Loss | Buffer::Watched => buffer,
    }
}
