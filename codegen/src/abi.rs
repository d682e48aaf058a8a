//! What native code is called with.
//!
//! In: nothing. Out: [`Context`], the one argument of every entry's function, and [`InputBinding`]. Their layout is a
//! contract between the code generator (which loads the fields by offset) and the runtime (which fills them); both use these types.
//!
//! An entry's function is `extern "C" fn(*mut Context)`. It runs `steps` steps, one after another: step `t` uses the rows
//! `rows[t·batch .. (t+1)·batch]` of every looked-up input. Every step computes its loss first and stores it in
//! `losses[t]`. A loss that is not finite ends the call before that step has changed any storage, with `stopped = t`; so does a value
//! that an update is made of, where it is not finite ([`crate::plan::guard`]). A new value that is not finite all the same ends the call behind
//! that step, with `stopped = t` and `updated = 1`.

use std::ffi::c_void;

/// A kernel that threads share: its arguments, the range of turns of the divided loop that is to be done, and whose room for
/// what it puts aside may be used.
pub type Task = unsafe extern "C" fn(arguments: *const i64, begin: i64, end: i64, place: i64);

/// Work, as [`crate::schedule::cost::Cost::total`] counts it, that outweighs handing it to another thread: about 40 µs.
/// Less of it than that waits longer for the memory that another core has written than it takes to do.
pub const LEAST_WORK: i64 = 2_500_000;

/// Does all turns of a task, in ranges, on as many threads as the caller has and the work is worth:
/// `task(arguments, begin, end, place)` for ranges that together are `0..turns` and meet at multiples of `multiple`. Those that
/// run at once have different places, all less than the number of threads that the code was made for. `work` is what all
/// turns cost, as [`crate::schedule::cost::Cost::total`] counts. `pool` is [`Context::pool`]. Returns when all are done.
pub type Divide = unsafe extern "C" fn(
    pool: *const c_void,
    task: Task,
    arguments: *const i64,
    turns: i64,
    multiple: i64,
    work: i64,
);

/// Told where a step is: 0 at its start, n when its n-th function has ended. `marks` is [`Context::marks`].
pub type Mark = unsafe extern "C" fn(marks: *mut c_void, place: i64);

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
    /// The numbers that hang on sizes, in the order of the entry's [`crate::entry::description::Quantity`]s, worked out for the sizes of this
    /// call. Native code computes none itself.
    pub numbers: *const i64,
    /// Row numbers: `steps · batch` of them. Never null for an entry with looked-up inputs and a batch that is not empty.
    pub rows: *const u32,
    /// For each random stream, in the entry's order, its key over all steps: `downhill_graph::random::stream_seed`.
    pub keys: *const [u32; 2],
    /// The number of the first step, which the random numbers of each step hang on.
    pub first_step: u64,
    /// Room for `steps` losses.
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
    /// Told where a step is.
    pub mark: Option<Mark>,
}

/// Where an input lies.
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
