//! Kernels that differ in their buffers alone.
//!
//! In: kernels of a plan. Out: for each kernel its *form*, and the numbers that its buffers have in the entry. The form is the
//! kernel with its buffers renumbered in the order in which they occur. Kernels of one form share a schedule and compiled code: a
//! network of a thousand equal layers has the forms of one layer.
//!
//! Must hold: no decision about a kernel looks at the numbers of its buffers. A form keeps the kind of memory of each buffer. All
//! buffers of a kernel are in use at the same time, so none overlap.
//!
//! # Decisions
//!
//! - Kernels that differ in their buffers alone have one *form*. Schedule, lane program and code are made once for it: a thousand
//!   equal layers are scheduled, packed, emitted and lowered as one. A second variant of an entry starts from the schedule.

use crate::ir::kernel::{Buffer, Kernel};
use downhill_graph::hash::Map;

/// The form of a kernel, and the numbers of its buffers in the entry.
pub(crate) fn form(kernel: &Kernel) -> (Kernel, Vec<usize>) {
    let (mut known, mut numbers) = (Map::default(), Vec::new());
    let mut form = kernel.map_buffers(&mut |buffer| {
        let index = *known.entry(buffer).or_insert_with(|| {
            numbers.push(number(buffer).unwrap_or_default());
            numbers.len() - 1
        });
        numbered(buffer, index)
    });
    form.name.clear();
    (form, numbers)
}

/// The buffer of the entry that a buffer of a form stands for.
pub(crate) fn buffer_of(numbers: &[usize], buffer: Buffer) -> Buffer {
    number(buffer).map_or(buffer, |index| numbered(buffer, numbers[index]))
}

/// The number of a buffer among those of its kind; the loss and what is only watched have none.
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
