//! What native code is called with.
//!
//! In: nothing. Out: [`Context`], the one argument of every entry's function, and [`InputBinding`]. Their layout is a
//! contract between the code generator (which loads the fields by offset) and the runtime (which fills them); both use these types.
//!
//! An entry's function is `extern "C" fn(*mut Context)`. It runs `steps` steps, one after another: step `t` uses the rows
//! `rows[t·batch .. (t+1)·batch]` of every looked-up input. Every step computes its loss first and stores it in
//! `losses[t]`. A loss that is not finite ends the call before that step has changed any storage, with `stopped = t`; so does a watched operand of
//! an update that is not finite ([`crate::plan::guard`]). A new value that is not finite although the operands were ends the call after
//! that step, with `stopped = t` and `updated = 1`.

use std::ffi::c_void;

/// A kernel that threads share. It takes its arguments, the range of iterations of the divided loop to run, and the index of the
/// thread, which selects that thread's part of scratch.
pub type Task = unsafe extern "C" fn(arguments: *const i64, begin: i64, end: i64, thread: i64);

/// One of the kernels that threads share at once.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Share {
    /// The kernel.
    pub task: Task,
    /// Its arguments.
    pub arguments: *const i64,
    /// Iterations of its divided loop; 1 for a kernel that is not divided, which one thread runs.
    pub iterations: i64,
    /// Ranges begin and end at multiples of this many iterations.
    pub multiple: i64,
    /// Which range comes first, where they are counted round: kernels that are not divided go to one thread after the other.
    pub first: i64,
}

impl Share {
    /// The iterations of range `number` of `ranges`. Together the ranges are all of them.
    pub fn range(&self, number: i64, ranges: i64) -> (i64, i64) {
        range(self.iterations, self.multiple.max(1), (number + self.first) % ranges.max(1), ranges)
    }
}

/// Range `number` of `ranges` into which so many iterations are cut, at multiples of `multiple`.
pub(crate) fn range(iterations: i64, multiple: i64, number: i64, ranges: i64) -> (i64, i64) {
    let blocks = iterations.div_euclid(multiple) + i64::from(iterations % multiple != 0);
    let cut = |n: i64| if n == ranges { iterations } else { blocks * n / ranges * multiple };
    (cut(number), cut(number + 1))
}

/// The least work, as [`crate::schedule::cost::Cost::total`] counts it, that is worth another thread: about 40 µs. For less, fetching
/// the memory that another core has written takes longer than the work.
pub const LEAST_WORK: i64 = 2_500_000;

/// Runs all iterations of `count` kernels, in ranges, on as many threads as the caller has and the work is worth. With n ranges it calls for
/// each range the tasks of all kernels, one after another, with the iterations that [`Share::range`] names, unless those are none. Ranges that run
/// at the same time have different indices `thread`, all less than the number of threads that the code was compiled for. `work` is the
/// cost of it all, as [`crate::schedule::cost::Cost::total`] counts it. `pool` is [`Context::pool`]. Returns when all are done.
pub type Divide = unsafe extern "C" fn(pool: *const c_void, shares: *const Share, count: i64, work: i64);

/// Called with the progress of a step: 0 at its start, n when its n-th function has ended. `marks` is [`Context::marks`].
pub type Mark = unsafe extern "C" fn(marks: *mut c_void, number: i64);

/// The argument of an entry's function.
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    /// A pointer for each storage of the entry, in the entry's order. 64-byte aligned.
    pub storages: *const *mut u8,
    /// A binding for each input of the entry, in the entry's order.
    pub inputs: *const InputBinding,
    /// Where each output goes, in the entry's order. Row-major, elements of `ElementType::bytes`.
    pub outputs: *const *mut u8,
    /// Intermediate values. 64-byte aligned, as large as the entry's plan says for these sizes.
    pub arena: *mut u8,
    /// Byte offset in the arena of each planned buffer.
    pub offsets: *const i64,
    /// The numbers that depend on sizes, in the order of the entry's [`crate::entry::description::Quantity`]s, evaluated for the sizes of this
    /// call. Native code computes none itself.
    pub numbers: *const i64,
    /// Row numbers: `steps · batch` of them. Never null for an entry with looked-up inputs and a batch that is not empty.
    pub rows: *const u32,
    /// For each random stream, in the entry's order, its key over all steps: `downhill_graph::random::stream_seed`.
    pub keys: *const [u32; 2],
    /// The number of the first step, on which the random numbers of each step depend.
    pub first_step: u64,
    /// Where `steps` losses are stored.
    pub losses: *mut f32,
    /// How many steps to run.
    pub steps: i64,
    /// Set by native code: the step that ended the call, or −1.
    pub stopped: i64,
    /// Set by native code to 1 where that step has changed storages; 0 before the call.
    pub updated: i64,
    /// Set by native code to 1 where a watched value was not finite; 0 before the call.
    pub alarm: u32,
    /// What `divide` is given. Code for one thread reads neither.
    pub pool: *const c_void,
    /// Divides a kernel among threads.
    pub divide: Divide,
    /// What `mark` is given. Code that was compiled without marks reads neither.
    pub marks: *mut c_void,
    /// Called with the progress of a step.
    pub mark: Option<Mark>,
}

/// The memory of an input.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct InputBinding {
    /// First element.
    pub base: *const u8,
    /// Looked-up inputs: bytes from one row to the next. Others: unused.
    pub row_stride: i64,
    /// Inputs that are not looked up: bytes from one step's value to the next one's; 0 keeps one value.
    pub step_stride: i64,
}
