//! Threads that share the turns of a kernel.
//!
//! In: a [`Task`] and how many turns it has. Out: all of them done, on this thread and the pool's workers.
//!
//! A worker waits for its next range by looking for it some hundred microseconds, so that the kernels of a step find it
//! awake, and then sleeps. Ranges are static: one a thread, equal but for the last. What a worker has not begun when the
//! caller is through with its own range, the caller does too: on a busy machine nobody waits for a thread that does not run.
//!
//! Must hold:
//! - [`Pool::divide`] returns after the last worker has finished with the task: it lies on the caller's stack;
//! - one caller at a time has the workers; any other does its turns alone, with the same bits;
//! - workers compute with the caller's rounding and treatment of subnormals.

use crate::error::Error;
use crate::float_control::FloatControl;
use downhill_codegen::abi::Task;
use std::ffi::c_void;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// Looks at a state before sleeping: some hundred microseconds. To be woken takes a worker 10 to 100 of them, and its caller up to
/// 20; a worker that gave up sooner could sleep through every kernel of a step, each over before it is awake.
const LOOKS: u32 = 10_000;

/// The environment variable.
const VARIABLE: &str = "DOWNHILL_THREADS";

/// How many threads the environment asks for: 1 when it does not.
///
/// # Errors
/// What it says is not a number of threads.
pub(crate) fn threads_from_environment() -> Result<usize, Error> {
    std::env::var(VARIABLE).map_or(Ok(1), |text| parse(&text))
}

fn parse(text: &str) -> Result<usize, Error> {
    match text.trim().parse() {
        _ if text.trim().is_empty() => Ok(1),
        Ok(threads) if threads > 0 => Ok(threads),
        _ => {
            Err(Error::usage(format!("`{VARIABLE}` is `{text}`"), "it may be a number of threads, 1 or more"))
        }
    }
}

/// Workers, and who may use them.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: Vec<Worker>,
    taken: AtomicBool,
}

#[derive(Debug)]
struct Worker {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// Where a worker finds its next range.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Desk {
    state: AtomicU32,
    /// Valid while `state` is `GIVEN`.
    job: AtomicPtr<Job>,
    /// Which of the job's ranges.
    range: AtomicU32,
}

/// States of a desk: nothing is there and the worker looks for it or works, it sleeps, a range is given, no more will come.
const EMPTY: u32 = 0;
const ASLEEP: u32 = 1;
const GIVEN: u32 = 2;
const CLOSED: u32 = 3;

/// A kernel being divided.
struct Job {
    task: Task,
    arguments: *const i64,
    ranges: Ranges,
    control: FloatControl,
    caller: Thread,
    /// Workers that have not finished.
    working: AtomicU32,
}

/// Turns cut into equal ranges.
#[derive(Clone, Copy, Debug)]
struct Ranges {
    turns: i64,
    multiple: i64,
    count: i64,
}

impl Ranges {
    /// At most `threads` ranges of at least `least` turns.
    fn new(turns: i64, multiple: i64, least: i64, threads: usize) -> Ranges {
        let worth = turns / least.max(1);
        let count = worth.min(turns / multiple.max(1)).min(threads as i64).max(1);
        Ranges { turns, multiple: multiple.max(1), count }
    }

    /// The n-th cut: the 0th is 0, the last one all turns.
    fn cut(self, n: i64) -> i64 {
        if n == self.count {
            return self.turns;
        }
        let blocks = self.turns.div_euclid(self.multiple) + i64::from(self.turns % self.multiple != 0);
        blocks * n / self.count * self.multiple
    }
}

impl Job {
    /// # Safety
    /// Task and arguments are valid, and nobody else does this range.
    unsafe fn run(&self, range: i64) {
        let (begin, end) = (self.ranges.cut(range), self.ranges.cut(range + 1));
        // SAFETY: the caller's promise.
        unsafe { (self.task)(self.arguments, begin, end, range) };
    }
}

impl Pool {
    /// A pool for this many threads, the caller's included: `None` for one.
    ///
    /// # Errors
    /// The system starts no more threads.
    pub(crate) fn new(threads: usize) -> Result<Option<Pool>, Error> {
        let workers = (1..threads).map(Worker::start).collect::<Result<Vec<_>, _>>()?;
        Ok((!workers.is_empty()).then(|| Pool { workers, taken: AtomicBool::new(false) }))
    }

    /// Does all turns of a task.
    ///
    /// # Safety
    /// The task may be called with the arguments for any ranges that meet at multiples of `multiple`, from any thread, all at once.
    unsafe fn divide(&self, task: Task, arguments: *const i64, ranges: Ranges) {
        let job = Job {
            task,
            arguments,
            ranges,
            control: FloatControl::current(),
            caller: thread::current(),
            working: AtomicU32::new(ranges.count as u32 - 1),
        };
        for (worker, range) in self.workers.iter().zip(1..ranges.count as u32) {
            worker.give(&job, range);
        }
        // SAFETY: this function's promise; range 0 was given to nobody.
        unsafe { job.run(0) };
        for (worker, range) in self.workers.iter().zip(1..ranges.count) {
            if worker.desk.take() {
                // SAFETY: this function's promise; the worker will not find this range any more.
                unsafe { job.run(range) };
                job.working.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let mut looks = 0;
        while job.working.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks < LOOKS { spin_loop() } else { thread::park() }
        }
    }
}

/// [`downhill_codegen::abi::Divide`]: `pool` is a [`Pool`], or null for one thread.
///
/// # Safety
/// A pool is alive, and of the task [`Pool::divide`]'s promise holds.
pub(crate) unsafe extern "C" fn divide(
    pool: *const c_void,
    task: Task,
    arguments: *const i64,
    turns: i64,
    multiple: i64,
    least: i64,
) {
    // SAFETY: the caller's promise.
    let pool = unsafe { pool.cast::<Pool>().as_ref() };
    let threads = pool.map_or(1, |pool| pool.workers.len() + 1);
    let ranges = Ranges::new(turns, multiple, least, threads);
    let taken = |pool: &&Pool| !pool.taken.swap(true, Ordering::Acquire);
    match pool.filter(|_| ranges.count > 1).filter(taken) {
        Some(pool) => {
            // SAFETY: the caller's promise.
            unsafe { pool.divide(task, arguments, ranges) };
            pool.taken.store(false, Ordering::Release);
        }
        // SAFETY: the caller's promise.
        None => unsafe { task(arguments, 0, turns, 0) },
    }
}

impl Worker {
    fn start(number: usize) -> Result<Worker, Error> {
        let desk = Arc::new(Desk::default());
        let theirs = desk.clone();
        let builder = thread::Builder::new().name(format!("downhill-{number}"));
        let thread = builder.spawn(move || theirs.work()).map_err(|error| {
            Error::usage(
                format!("thread {} could not be started: {error}", number + 1),
                "ask for fewer with `.threads(n)` or `DOWNHILL_THREADS`",
            )
        })?;
        Ok(Worker { desk, thread: Some(thread) })
    }

    fn give(&self, job: &Job, range: u32) {
        self.desk.job.store(std::ptr::from_ref(job).cast_mut(), Ordering::Relaxed);
        self.desk.range.store(range, Ordering::Relaxed);
        self.change(GIVEN);
    }

    fn change(&self, state: u32) {
        if self.desk.state.swap(state, Ordering::AcqRel) == ASLEEP
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.workers.iter().for_each(|worker| worker.change(CLOSED));
        for worker in &mut self.workers {
            // A worker runs native code alone, which does not unwind.
            let _ = worker.thread.take().map(JoinHandle::join);
        }
    }
}

impl Desk {
    /// Takes what is given, if it is still there.
    fn take(&self) -> bool {
        self.state.compare_exchange(GIVEN, EMPTY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn work(&self) {
        while self.wait() != CLOSED {
            if !self.take() {
                continue;
            }
            // SAFETY: the caller keeps the job until `working` is 0, which this worker has yet to count down.
            let job = unsafe { &*self.job.load(Ordering::Relaxed) };
            job.control.apply();
            // SAFETY: `Pool::divide` promises it, and who takes a range has it alone.
            unsafe { job.run(i64::from(self.range.load(Ordering::Relaxed))) };
            let caller = job.caller.clone();
            // The job may be gone as soon as it is counted down.
            if job.working.fetch_sub(1, Ordering::AcqRel) == 1 {
                caller.unpark();
            }
        }
    }

    /// Waits until something is given or the desk is closed, and gives the state. What was given may be gone again.
    fn wait(&self) -> u32 {
        for _ in 0..LOOKS {
            let state = self.state.load(Ordering::Acquire);
            if state != EMPTY {
                return state;
            }
            spin_loop();
        }
        let change = self.state.compare_exchange(EMPTY, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        if let Err(state) = change {
            return state;
        }
        loop {
            thread::park();
            let state = self.state.load(Ordering::Acquire);
            if state != ASLEEP {
                return state;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI64;

    /// Adds 1 to each turn's counter, whose addresses are the arguments.
    unsafe extern "C" fn count(counters: *const i64, begin: i64, end: i64, _: i64) {
        for turn in begin..end {
            // SAFETY: there is a counter for each turn.
            unsafe { &*counters.add(turn as usize).cast::<AtomicI64>() }.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn done(pool: Option<&Pool>, turns: usize, multiple: i64, least: i64) -> Vec<i64> {
        let counters: Vec<AtomicI64> = (0..turns).map(|_| AtomicI64::new(0)).collect();
        let pool = pool.map_or(std::ptr::null(), |pool| std::ptr::from_ref(pool).cast());
        // SAFETY: `count` may be called from any thread with these counters.
        unsafe { divide(pool, count, counters.as_ptr().cast(), turns as i64, multiple, least) };
        counters.into_iter().map(AtomicI64::into_inner).collect()
    }

    #[test]
    fn every_turn_is_done_once() {
        let pool = Pool::new(4).expect("threads");
        for turns in [0, 1, 2, 3, 7, 8, 64, 65, 1000] {
            for (multiple, least) in [(1, 1), (8, 1), (8, 30), (64, 1), (1, 1_000_000)] {
                for pool in [pool.as_ref(), None] {
                    let done = done(pool, turns, multiple, least);
                    assert!(done.iter().all(|&times| times == 1), "{turns} {multiple} {least}: {done:?}");
                }
            }
        }
    }

    #[test]
    fn ranges_meet_at_multiples_and_are_worth_a_thread() {
        for (turns, multiple, least, threads) in
            [(100, 8, 1, 3), (100, 8, 40, 8), (7, 8, 1, 4), (128, 64, 1, 5), (1000, 1, 1, 16)]
        {
            let ranges = Ranges::new(turns, multiple, least, threads);
            let cuts: Vec<i64> = (0..=ranges.count).map(|n| ranges.cut(n)).collect();
            assert_eq!((cuts[0], *cuts.last().expect("an end")), (0, turns));
            assert!(cuts[1..cuts.len() - 1].iter().all(|cut| cut % multiple == 0), "{cuts:?}");
            assert!(cuts.windows(2).all(|range| range[0] < range[1]), "{cuts:?}");
            assert!(ranges.count == 1 || turns / ranges.count >= least, "{cuts:?}");
        }
    }

    #[test]
    fn callers_at_once_and_sleeping_workers() {
        let pool = Pool::new(3).expect("threads");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for pause in 0..50 {
                        assert!(done(pool.as_ref(), 100, 1, 1).iter().all(|&times| times == 1));
                        // Now and then long enough for the workers to fall asleep.
                        thread::sleep(std::time::Duration::from_micros(pause % 4 * 300));
                    }
                });
            }
        });
    }

    /// Notes the control word of the thread that does each turn.
    #[cfg(target_arch = "x86_64")]
    unsafe extern "C" fn note_control(words: *const i64, begin: i64, end: i64, _: i64) {
        for turn in begin..end {
            let word = FloatControl::current();
            // SAFETY: there is a word for each turn.
            unsafe { &*words.add(turn as usize).cast::<AtomicI64>() }
                .store(i64::from(word == FloatControl::flushing()), Ordering::Relaxed);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn workers_round_as_their_caller_does() {
        let pool = Pool::new(4).expect("threads").expect("workers");
        let words: Vec<AtomicI64> = (0..4).map(|_| AtomicI64::new(0)).collect();
        let own = FloatControl::current();
        FloatControl::flushing().apply();
        let ranges = Ranges::new(4, 1, 1, 4);
        // SAFETY: `note_control` may be called from any thread with these words.
        unsafe { pool.divide(note_control, words.as_ptr().cast(), ranges) };
        own.apply();
        assert_eq!(words.into_iter().map(AtomicI64::into_inner).collect::<Vec<_>>(), [1; 4]);
    }

    #[test]
    fn numbers_of_threads() {
        assert_eq!((parse("").expect("none"), parse(" 3 ").expect("three")), (1, 3));
        let error = parse("0").expect_err("no thread").to_string();
        assert!(error.contains("`DOWNHILL_THREADS` is `0`"), "{error}");
        assert!(parse("all").is_err());
    }
}
