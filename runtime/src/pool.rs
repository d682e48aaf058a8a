//! Threads that share the iterations of a kernel.
//!
//! In: kernels as [`Share`]s, and their cost. Out: all iterations done, by this thread and the pool's workers.
//!
//! A worker spins for some hundred microseconds while it waits for its next range, so that the kernels of a step find it awake; then it
//! sleeps. Ranges are static: one for each thread, all about equal. When the caller has finished its own range, it also runs
//! the ranges that workers have not begun: on a busy machine nobody waits for a thread that does not run.
//!
//! Must hold:
//! - [`Pool::divide`] returns only after the last worker has finished the job, which lies on the caller's stack;
//! - one caller at a time uses the workers; any other runs its iterations alone, with the same bits;
//! - workers compute with the caller's rounding and treatment of subnormals, and wait with their own.
//!
//! # Decisions
//!
//! - The pool is our own over `std`, 200 lines, one for each program. Ranges are static, so work stealing gains nothing; and a call
//!   into rayon from a foreign thread allocates and wakes through a lock.
//! - The caller runs ranges that were not begun. Before, with the second core busy elsewhere, two threads took 5 times as long as one;
//!   now they take as long as one.
//! - Kernels below some 80 µs stay on one thread: it takes longer to fetch memory that another core has written. No more threads run
//!   than there are processors.

use crate::error::Error;
use crate::float_control::FloatControl;
use downhill_codegen::abi::{LEAST_WORK, Share};
use std::ffi::c_void;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

/// Spins before sleeping: some hundred microseconds. Waking takes a worker 10 to 100 µs, and costs its caller up to 20. A worker that
/// slept sooner could miss every kernel of a step, each of which would be over before it is awake.
const SPINS: u32 = 10_000;

/// The environment variable.
const VARIABLE: &str = "DOWNHILL_THREADS";

/// More than any machine has use for.
const MOST_THREADS: usize = 1024;

/// How many threads the environment asks for: 1 when it does not.
///
/// # Errors
/// What it says is not a number of threads.
pub(crate) fn threads_from_environment() -> Result<usize, Error> {
    parse(&std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy())
}

fn parse(text: &str) -> Result<usize, Error> {
    if text.trim().is_empty() {
        return Ok(1);
    }
    let threads = text.trim().parse().ok().and_then(|threads| check(threads).ok());
    threads.ok_or_else(|| {
        let help = format!("it may be a number of threads from 1 to {MOST_THREADS}");
        Error::usage(format!("`{VARIABLE}` is `{text}`"), help)
    })
}

/// Refuses numbers of threads that no pool has.
///
/// # Errors
/// None at all, or too many.
pub(crate) fn check(threads: usize) -> Result<usize, Error> {
    match threads {
        0 => Err(Error::usage("0 threads were asked for", "the caller's own thread counts: 1 or more")),
        1..=MOST_THREADS => Ok(threads),
        _ => Err(Error::usage(
            format!("{threads} threads were asked for"),
            format!("as many as the processor has cores are enough; {MOST_THREADS} at most"),
        )),
    }
}

/// Worker threads, which one caller at a time uses.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: Vec<Worker>,
    /// Whether a caller is using them.
    taken: AtomicBool,
    /// The process that its threads are in.
    process: u32,
}

#[derive(Debug)]
struct Worker {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker and its caller share: the state, and the next range.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Desk {
    state: AtomicU32,
    /// Valid while `state` is `GIVEN`.
    job: AtomicPtr<Job<'static>>,
    /// Which of the job's ranges.
    range: AtomicU32,
}

/// State of a desk: no range is there; the worker spins, or runs one.
const EMPTY: u32 = 0;
/// No range is there, and the worker sleeps.
const ASLEEP: u32 = 1;
/// A range is there that nobody has taken yet.
const GIVEN: u32 = 2;
/// The worker is to end.
const CLOSED: u32 = 3;

/// Kernels being shared.
struct Job<'a> {
    shares: &'a [Share],
    /// How many ranges there are.
    ranges: i64,
    control: FloatControl,
    /// Workers that have not finished.
    working: AtomicU32,
}

/// How many ranges: at most `threads`, no more than the work is worth, and no more than there are pieces.
fn ranges(shares: &[Share], work: i64, threads: usize) -> i64 {
    let pieces = shares.iter().map(|share| (share.iterations / share.multiple.max(1)).max(1));
    let pieces = pieces.fold(0_i64, i64::saturating_add);
    (work / LEAST_WORK).min(pieces).min(threads as i64).max(1)
}

impl Job<'_> {
    /// # Safety
    /// Tasks and arguments are valid, and nobody else runs this range.
    unsafe fn run(&self, range: i64) {
        // SAFETY: the caller's promise.
        unsafe { run(self.shares, range, self.ranges) };
    }
}

/// Runs one of so many ranges of all shares.
///
/// # Safety
/// Tasks and arguments are valid, and nobody else runs this range.
unsafe fn run(shares: &[Share], range: i64, ranges: i64) {
    for share in shares {
        let (begin, end) = share.range(range, ranges);
        if begin < end {
            // SAFETY: the caller's promise.
            unsafe { (share.task)(share.arguments, begin, end, range) };
        }
    }
}

impl Pool {
    /// A pool for this many threads, the caller's included; at most one for each processor:
    /// threads that share a processor only wait for each other.
    ///
    /// # Errors
    /// The system starts no more threads.
    pub(crate) fn new(threads: usize) -> Result<Pool, Error> {
        let processors = thread::available_parallelism().map_or(threads, |processors| processors.get());
        Pool::with(threads.min(processors), Worker::start)
    }

    /// The same with another way to start workers. If one cannot be started, those that were are ended.
    fn with(threads: usize, start: impl Fn(usize) -> Result<Worker, Error>) -> Result<Pool, Error> {
        let mut pool =
            Pool { workers: Vec::new(), taken: AtomicBool::new(false), process: std::process::id() };
        for number in 1..threads {
            pool.workers.push(start(number)?);
        }
        Ok(pool)
    }

    /// Its workers and the caller's thread.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs all iterations of the shares, in so many ranges.
    ///
    /// # Safety
    /// The tasks may be called with their arguments for any such ranges, from any thread, all at once.
    unsafe fn divide(&self, shares: &[Share], ranges: i64) {
        let job = Job {
            shares,
            ranges,
            control: FloatControl::current(),
            working: AtomicU32::new(ranges as u32 - 1),
        };
        let job_at = std::ptr::from_ref(&job).cast::<Job<'static>>();
        for (worker, range) in self.workers.iter().zip(1..ranges as u32) {
            worker.give(job_at, range);
        }

        // SAFETY: this function's promise; range 0 was given to nobody.
        unsafe { job.run(0) };

        // Ranges that workers have not begun, it takes back.
        for (worker, range) in self.workers.iter().zip(1..ranges) {
            if worker.desk.take() {
                // SAFETY: this function's promise; the worker will not find this range any more.
                unsafe { job.run(range) };
                job.working.fetch_sub(1, Ordering::Relaxed);
            }
        }

        // The job lies on this stack: the workers must be done with it.
        let mut spins = 0;
        while job.working.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS { spin_loop() } else { thread::yield_now() }
        }
    }
}

/// [`downhill_codegen::abi::Divide`]: `pool` is a [`Pool`], or null for one thread.
///
/// # Safety
/// A pool is alive, there are `count` shares, and of them [`Pool::divide`]'s promise holds.
pub(crate) unsafe extern "C" fn divide(pool: *const c_void, shares: *const Share, count: i64, work: i64) {
    // SAFETY: the caller's promise.
    let (pool, shares) =
        unsafe { (pool.cast::<Pool>().as_ref(), std::slice::from_raw_parts(shares, count.max(0) as usize)) };
    let threads = pool.map_or(1, Pool::threads);
    let ranges = ranges(shares, work, threads);

    // Where another caller uses the workers, this one runs everything alone.
    let taken = |pool: &&Pool| !pool.taken.swap(true, Ordering::Acquire);
    match pool.filter(|_| ranges > 1).filter(taken) {
        Some(pool) => {
            // SAFETY: the caller's promise.
            unsafe { pool.divide(shares, ranges) };
            pool.taken.store(false, Ordering::Release);
        }
        // SAFETY: the caller's promise.
        None => unsafe { run(shares, 0, 1) },
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

    fn give(&self, job: *const Job<'static>, range: u32) {
        self.desk.job.store(job.cast_mut(), Ordering::Relaxed);
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
        if self.process != std::process::id() {
            // A forked child has none of its parent's threads: nobody is there to be waited for.
            self.workers.drain(..).for_each(std::mem::forget);
        }
        self.workers.iter().for_each(|worker| worker.change(CLOSED));
        for worker in &mut self.workers {
            // A worker runs native code alone, which does not unwind.
            let _ = worker.thread.take().map(JoinHandle::join);
        }
    }
}

impl Desk {
    /// Takes the range that was given, if nobody has taken it yet.
    fn take(&self) -> bool {
        self.state.compare_exchange(GIVEN, EMPTY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn work(&self) {
        let own = FloatControl::current();
        while self.wait() != CLOSED {
            if !self.take() {
                continue;
            }

            // SAFETY: the caller keeps the job until `working` is 0, which this worker has yet to count down.
            let job = unsafe { &*self.job.load(Ordering::Relaxed) };
            if job.control != own {
                job.control.apply();
            }

            // SAFETY: `Pool::divide` promises it, and who takes a range has it alone.
            unsafe { job.run(i64::from(self.range.load(Ordering::Relaxed))) };
            if job.control != own {
                own.apply();
            }

            // The job may be gone as soon as it is counted down.
            job.working.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until a range is given or the desk is closed, and returns the state. The caller may have taken the range back by then.
    fn wait(&self) -> u32 {
        for _ in 0..SPINS {
            let state = self.state.load(Ordering::Acquire);
            if state != EMPTY {
                return state;
            }
            spin_loop();
        }

        // A range that is given meanwhile is not missed: the state changes only from EMPTY.
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
    use downhill_codegen::abi::Task;
    use std::sync::atomic::AtomicI64;
    use std::time::{Duration, Instant};

    /// What a task in these tests is given: cells for each iteration, and how many ranges there will be.
    struct Board {
        cells: Vec<AtomicI64>,
        begun: AtomicI64,
        ranges: i64,
    }

    impl Board {
        fn new(iterations: usize, ranges: i64) -> Board {
            Board {
                cells: (0..iterations).map(|_| AtomicI64::new(0)).collect(),
                begun: AtomicI64::new(0),
                ranges,
            }
        }

        /// Has its iterations done by `task`, in ranges that meet at multiples of `multiple`.
        fn divided(self, pool: Option<&Pool>, task: Task, multiple: i64, work: i64) -> Vec<i64> {
            let pool = pool.map_or(std::ptr::null(), |pool| std::ptr::from_ref(pool).cast());
            let share = self.share(task, multiple);
            // SAFETY: tasks of these tests may be called from any thread with a board.
            unsafe { divide(pool, &share, 1, work) };
            self.cells.into_iter().map(AtomicI64::into_inner).collect()
        }

        fn share(&self, task: Task, multiple: i64) -> Share {
            let arguments = std::ptr::from_ref(self).cast();
            Share { task, arguments, iterations: self.cells.len() as i64, multiple, first: 0 }
        }

        /// Waits until every range has been begun, by a thread of its own.
        fn meet(&self) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let start = Instant::now();
            while self.begun.load(Ordering::SeqCst) < self.ranges {
                assert!(start.elapsed() < Duration::from_secs(60), "nobody begins the other ranges");
                thread::yield_now();
            }
        }
    }

    /// Adds 1 to each iteration's cell.
    unsafe extern "C" fn count_up(board: *const i64, begin: i64, end: i64, _: i64) {
        // SAFETY: a board, whose caller waits.
        let board = unsafe { &*board.cast::<Board>() };
        for iteration in begin..end {
            board.cells[iteration as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes the index of the thread for each iteration, once all ranges have begun.
    unsafe extern "C" fn note_thread(board: *const i64, begin: i64, end: i64, thread: i64) {
        // SAFETY: a board, whose caller waits.
        let board = unsafe { &*board.cast::<Board>() };
        board.meet();
        for iteration in begin..end {
            board.cells[iteration as usize].store(thread, Ordering::Relaxed);
        }
    }

    /// Writes the number of the range for each iteration.
    unsafe extern "C" fn note_number(board: *const i64, begin: i64, end: i64, range: i64) {
        // SAFETY: a board, whose caller waits.
        let board = unsafe { &*board.cast::<Board>() };
        for iteration in begin..end {
            board.cells[iteration as usize].store(range, Ordering::Relaxed);
        }
    }

    /// Writes whether each iteration was done with subnormals flushed.
    unsafe extern "C" fn note_control(board: *const i64, begin: i64, end: i64, _: i64) {
        // SAFETY: a board, whose caller waits.
        let board = unsafe { &*board.cast::<Board>() };
        board.meet();
        let flushing = FloatControl::current() == FloatControl::flushing();
        for iteration in begin..end {
            board.cells[iteration as usize].store(i64::from(flushing), Ordering::Relaxed);
        }
    }

    #[test]
    fn every_iteration_is_done_once() {
        let pool = Pool::with(4, Worker::start).expect("threads");
        for iterations in [0, 1, 2, 3, 7, 8, 64, 65, 1000] {
            for (multiple, work) in
                [(1, i64::MAX), (8, i64::MAX), (8, 3 * LEAST_WORK), (64, i64::MAX), (1, 0)]
            {
                for pool in [Some(&pool), None] {
                    let done = Board::new(iterations, 0).divided(pool, count_up, multiple, work);
                    assert!(done.iter().all(|&times| times == 1), "{iterations} {multiple} {work}: {done:?}");
                }
            }
        }
    }

    #[test]
    fn every_thread_runs_a_range_of_its_own() {
        let pool = Pool::with(4, Worker::start).expect("threads");
        for _ in 0..20 {
            let threads = Board::new(40, 4).divided(Some(&pool), note_thread, 1, i64::MAX);
            let expected: Vec<i64> = (0..40).map(|iteration| iteration / 10).collect();
            assert_eq!(threads, expected);
        }
    }

    #[test]
    fn ranges_meet_at_multiples_and_are_worth_a_thread() {
        for (iterations, multiple, worth, threads, count) in [
            (100, 8, 100, 3, 3),
            (100, 8, 2, 8, 2),
            (7, 8, 100, 4, 1),
            (191, 64, 100, 5, 2),
            (1000, 1, 100, 16, 16),
            (1000, 1, 1, 16, 1),
            (1000, 1, 0, 16, 1),
        ] {
            for first in 0..3 {
                let share =
                    Share { task: count_up, arguments: std::ptr::null(), iterations, multiple, first };
                let ranges = ranges(&[share], worth * LEAST_WORK, threads);
                let mut cuts: Vec<(i64, i64)> = (0..ranges).map(|n| share.range(n, ranges)).collect();
                assert_eq!(ranges, count, "{cuts:?}");
                cuts.rotate_left((ranges - first % ranges) as usize % ranges as usize);
                assert_eq!((cuts[0].0, cuts[ranges as usize - 1].1), (0, iterations), "{cuts:?}");
                assert!(cuts.windows(2).all(|two| two[0].1 == two[1].0), "{cuts:?}");
                assert!(cuts[1..].iter().all(|cut| cut.0 % multiple == 0 && cut.0 < cut.1), "{cuts:?}");
            }
        }
    }

    #[test]
    fn shares_are_run_in_their_order_and_those_of_one_piece_by_one_thread() {
        let pool = Pool::with(3, Worker::start).expect("threads");
        let boards = [(40, 1, 0), (1, 1, 0), (1, 1, 1), (1, 1, 2), (7, 2, 0)]
            .map(|(cells, multiple, first)| (Board::new(cells, 3), multiple, first));
        let shares: Vec<Share> = boards
            .iter()
            .map(|(board, multiple, first)| Share { first: *first, ..board.share(note_number, *multiple) })
            .collect();
        let pool_at = std::ptr::from_ref(&pool).cast();
        // SAFETY: tasks of these tests may be called from any thread with a board.
        unsafe { divide(pool_at, shares.as_ptr(), shares.len() as i64, i64::MAX) };
        let noted = boards.map(|(board, ..)| board.cells.into_iter().map(AtomicI64::into_inner).collect());
        let [first, a, b, c, last]: [Vec<i64>; 5] = noted;
        assert_eq!(first, [vec![0; 13], vec![1; 13], vec![2; 14]].concat());
        // One piece is the last range's, counted from the share's own first one.
        assert_eq!([a, b, c], [vec![2], vec![1], vec![0]]);
        assert_eq!(last, [0, 0, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn callers_at_once_and_sleeping_workers() {
        let pool = Pool::with(3, Worker::start).expect("threads");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for pause in 0..50 {
                        let done = Board::new(100, 0).divided(Some(&pool), count_up, 1, i64::MAX);
                        assert!(done.iter().all(|&times| times == 1));
                        // Now and then long enough for the workers to fall asleep.
                        thread::sleep(Duration::from_micros(pause % 4 * 500));
                    }
                });
            }
        });
    }

    #[test]
    fn workers_that_sleep_are_woken() {
        let pool = Pool::with(2, Worker::start).expect("threads");
        for _ in 0..3 {
            while pool.workers[0].desk.state.load(Ordering::Relaxed) != ASLEEP {
                thread::yield_now();
            }
            assert_eq!(Board::new(2, 2).divided(Some(&pool), note_thread, 1, i64::MAX), [0, 1]);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn workers_round_as_their_caller_does() {
        let pool = Pool::with(4, Worker::start).expect("threads");
        let own = FloatControl::current();
        FloatControl::flushing().apply();
        let with = Board::new(4, 4).divided(Some(&pool), note_control, 1, i64::MAX);
        own.apply();
        let without = Board::new(4, 4).divided(Some(&pool), note_control, 1, i64::MAX);
        assert_eq!((with, without), (vec![1; 4], vec![0; 4]));
    }

    #[test]
    fn workers_end_where_one_cannot_be_started() {
        let desks = std::sync::Mutex::new(Vec::new());
        let start = |number: usize| {
            if number == 3 {
                return Err(Error::usage("no more", "fewer"));
            }
            let worker = Worker::start(number)?;
            desks.lock().expect("nobody panicked").push(Arc::downgrade(&worker.desk));
            Ok(worker)
        };
        assert!(Pool::with(6, start).is_err());
        let desks = desks.into_inner().expect("nobody panicked");
        assert_eq!(desks.iter().map(|desk| desk.strong_count()).collect::<Vec<_>>(), [0, 0]);
    }

    #[test]
    fn numbers_of_threads() {
        assert_eq!((parse("").expect("none"), parse(" 3 ").expect("three")), (1, 3));
        let error = |text: &str| parse(text).expect_err("no number of threads").to_string();
        for text in ["0", "all", "-1", "2.5", "100000"] {
            let expected = format!(
                "`DOWNHILL_THREADS` is `{text}`\n   = help: it may be a number of threads from 1 to 1024"
            );
            assert_eq!(error(text), expected);
        }
    }
}
