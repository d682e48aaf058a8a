//! How fast this machine is: what the figures of a profile are compared with.
//!
//! In: vectors that code is made of. Out: [`Machine`], measured once a process with lane programs that downhill compiles for it.
//!
//! Must hold: every figure is the best of many short runs, so that what else the machine does is not in it.

use crate::call::{Frame, Storages, Work};
use crate::code::{Executable, Function};
use crate::error::Error;
use crate::host;
use crate::storage::Buffer;
use downhill_codegen::emit::kernel::Emitted;
use downhill_codegen::peak;
use downhill_codegen::pipeline::compile_programs;
pub use downhill_codegen::schedule::cost::{MemoryLevel, Speed};
use downhill_codegen::target::{InstructionSet, Target};
use downhill_graph::graph::bug;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A machine's measured limits, of one core.
///
/// ```
/// use downhill_runtime::profile::Machine;
///
/// # fn main() -> Result<(), downhill_runtime::error::Error> {
/// let machine = Machine::measure()?;
/// assert!(machine.speed.arithmetic > 1e8);
/// println!("{machine}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The vectors it was measured with.
    pub target: InstructionSet,
    /// Floating-point operations and bytes a second.
    pub speed: Speed,
}

/// What is worked on at each level, in bytes: from a part of the smallest cache to more than the largest.
const LEVELS: [u64; 7] = [16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];
/// Iterations of the loop of multiply-adds: a few microseconds.
const ITERATIONS: u32 = 500;
/// Each figure is the best of so many runs at least,
const LEAST_RUNS: u32 = 10;
/// and of all that begin within so long, so that others who use the machine leave some alone.
const LONG_ENOUGH: Duration = Duration::from_millis(40);
/// A run is at least so long, but for a program that takes longer itself.
const RUN: Duration = Duration::from_micros(300);

static MEASURED: Mutex<Vec<Machine>> = Mutex::new(Vec::new());

impl Machine {
    /// This machine, with the vectors that code is made of unless said otherwise. Measured in less than a second when first asked for,
    /// once a process.
    ///
    /// # Errors
    /// No memory; a processor or a `DOWNHILL_TARGET` that no code is made for.
    pub fn measure() -> Result<Machine, Error> {
        Machine::measure_for(&host::target()?)
    }

    pub(crate) fn measure_for(target: &Target) -> Result<Machine, Error> {
        let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = measured.iter().find(|machine| machine.target == target.instructions()) {
            return Ok(known.clone());
        }
        let machine = Machine { target: target.instructions(), speed: measure(target)? };
        measured.push(machine.clone());
        Ok(machine)
    }
}

fn measure(target: &Target) -> Result<Speed, Error> {
    let lanes = target.instructions().elements();
    // An update in place works on half as many bytes as it reads and writes.
    let streams = LEVELS
        .map(|bytes| [peak::read(lanes, bytes), peak::copy(lanes, bytes), peak::update(lanes, 2 * bytes)]);
    let mut programs = vec![peak::multiply_adds(lanes, ITERATIONS)];
    programs.extend(streams.iter().flatten().map(|(program, _)| program.clone()));
    let functions = compile(target, programs)?;
    let bytes = LEVELS.iter().max().map_or(0, |&bytes| bytes as usize);
    let mut bench = Bench {
        storages: [Buffer::new(bytes, "measuring")?, Buffer::new(bytes / 2, "measuring")?],
        frame: Frame::default(),
    };
    let (arithmetic, moving) = functions.split_first().unwrap_or_else(|| bug("a program is no function"));
    let arithmetic = peak::operations(lanes, ITERATIONS) as f64 / bench.best(arithmetic);
    let levels =
        LEVELS.iter().zip(&streams).zip(moving.chunks_exact(3)).map(|((&bytes, streams), functions)| {
            let [read, copy, update] =
                [0, 1, 2].map(|way| streams[way].1 as f64 / bench.best(&functions[way]));
            MemoryLevel { bytes, read, copy, update }
        });
    Ok(Speed { arithmetic, lanes, levels: levels.collect() })
}

fn compile(target: &Target, programs: Vec<Emitted>) -> Result<Vec<Function>, Error> {
    let (code, functions) = compile_programs(programs, target)?;
    let executable = Executable::load(&code)?;
    // SAFETY: the code generator defines these functions with the signature of `codegen::abi`, in this code.
    Ok(functions.into_iter().map(|id| unsafe { executable.function(&code, id) }).collect())
}

/// Memory to work on.
struct Bench {
    storages: [Buffer; 2],
    frame: Frame,
}

impl Bench {
    /// Seconds of one execution of a function's program, the best of all runs.
    fn best(&mut self, function: &Function) -> f64 {
        let once = self.run(function, 1).as_secs_f64().max(1e-9);
        let times = (RUN.as_secs_f64() / once).ceil().clamp(1.0, 1e5) as usize;
        let (start, mut runs, mut best) = (Instant::now(), 0, f64::INFINITY);
        while runs < LEAST_RUNS || start.elapsed() < LONG_ENOUGH {
            best = best.min(self.run(function, times).as_secs_f64() / times as f64);
            runs += 1;
        }
        best.max(1e-12)
    }

    fn run(&mut self, function: &Function, times: usize) -> Duration {
        let (mut arena, start) = (Buffer::default(), Instant::now());
        let work = Work {
            function,
            storages: (&mut Storages::Write(&mut self.storages), &[0, 1]),
            arena: &mut arena,
            offsets: &[],
            numbers: &[],
            rows: &[],
            random: (&[], 0),
            losses: &mut [],
            steps: times,
            pool: None,
            marks: None,
        };
        // SAFETY: the programs of `codegen::peak` read and write no more than the bytes they say of storages 0 and 1, which are
        // as large as the largest of `LEVELS` asks for, and nothing else.
        _ = unsafe { self.frame.call(work) };
        start.elapsed()
    }
}

impl fmt::Display for Machine {
    /// `one core (avx512): 117.6 GFLOP/s; GB/s reading / copying / updating 16 KiB: 210 / 190 / 230, …, 64 MiB: 22 / 25 / 30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, arithmetic) = (self.target.name(), self.speed.arithmetic / 1e9);
        write!(f, "one core ({target}): {arithmetic:.1} GFLOP/s; GB/s reading / copying / updating")?;
        for (place, level) in self.speed.levels.iter().enumerate() {
            let (size, unit) =
                if level.bytes < 1 << 20 { (level.bytes >> 10, "KiB") } else { (level.bytes >> 20, "MiB") };
            let comma = if place == 0 { "" } else { "," };
            let [read, copy, update] = [level.read, level.copy, level.update].map(|rate| rate / 1e9);
            write!(f, "{comma} {size} {unit}: {read:.0} / {copy:.0} / {update:.0}")?;
        }
        Ok(())
    }
}
