//! Where the time of a step goes: what each native function does, and how fast it is beside what this machine can do.
//!
//! In: a model, and one batch of data. Out: [`Profile`], data that prints as a table.
//!
//! How it is measured: an entry is compiled once more with a mark after each function, and both are run many times, alternately:
//! the marked one gives each function's time, the ordinary one that of a whole step.
//!
//! Must hold: a model is after it, bit for bit, what it was before, errors included.

use crate::bind::Interface;
use crate::error::Error;
use crate::given::Given;
use crate::launch::place_both;
pub use crate::machine::{Machine, MemoryLevel, Speed};
use crate::marks::{Marks, middle};
use crate::model::Model;
use crate::outputs::OutputBuffer;
use crate::pool::Pool;
use crate::report::VariantReport;
use crate::storage::Buffer;
use crate::view::{Feed, ViewMut};
use crate::worker::{FORWARD, Worker};
pub use downhill_codegen::schedule::cost::Counted;
use downhill_graph::dim::Bindings;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be profiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profiled<'a> {
    /// Inference. Its targets are `()`.
    Forward,
    /// A training step on this loss; on the only one when none is named.
    Step(Option<&'a str>),
    /// The gradients of a loss (the only one when none is named) by these parameters, states and inputs; by all that it trains when
    /// none is named.
    Gradients(Option<&'a str>, &'a [&'a str]),
}

/// What the functions of a step do, and how long each takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `step`, `forward`, `gradients`.
    pub entry: String,
    /// The sizes it was measured for: `batch` is 128.
    pub sizes: Vec<(Arc<str>, i64)>,
    /// The code of these sizes that ran; `None` where it was the generic code.
    pub variant: Option<VariantReport>,
    /// The functions, as they run.
    pub rows: Vec<Row>,
    /// Seconds of a whole step without marks: the mean of the middle half of many calls, of several steps each.
    pub step: f64,
    /// Steps that were measured with marks.
    pub steps: usize,
    /// Threads that share the large functions: predictions and shares are one core's all the same.
    pub threads: usize,
    /// What shares are shares of.
    pub machine: Machine,
}

/// A native function: one kernel, or the kernels of a small step.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What each of its kernels makes, as `layer:op`.
    pub kernels: Vec<String>,
    /// Floating-point operations, and bytes of distinct elements read and written, of a step.
    pub cost: Counted,
    /// Seconds, by the cost model.
    pub predicted: f64,
    /// Seconds, the mean of the middle half of all steps; 0 where that is less than a nanosecond.
    pub measured: f64,
    /// Seconds of the fastest step.
    pub least: f64,
}

impl Model {
    /// Where the time of a training step goes: `println!("{}", net.profile(&x, &y)?)`. What the columns are, [`Row`] tells; the
    /// predictions are [`Machine`]'s. Inference and gradients have [`Model::profile_of`]. Runs it many times, for a fraction of a second or
    /// a few steps, and leaves the model exactly as it was. The first call of a process measures the machine as well.
    ///
    /// # Errors
    /// As [`Model::step`].
    pub fn profile<'a>(&mut self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<Profile, Error> {
        self.profile_of(Profiled::Step(None), inputs, targets)
    }

    /// As [`Model::profile`], of inference, of one loss's step, or of gradients.
    ///
    /// # Errors
    /// As [`Model::forward_all`], [`Model::step_loss`] and [`Model::gradients_of`].
    pub fn profile_of<'a>(
        &mut self,
        what: Profiled<'_>,
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<Profile, Error> {
        self.training(|worker| worker.profile_of(what, &inputs, &targets))
    }
}

impl Worker<'_> {
    fn profile_of<'a>(
        &mut self,
        what: Profiled<'_>,
        inputs: &impl Feed<'a>,
        targets: &impl Feed<'a>,
    ) -> Result<Profile, Error> {
        let plain = match what {
            Profiled::Forward => FORWARD,
            Profiled::Step(loss) => self.program.step_of(loss)?,
            Profiled::Gradients(loss, by) => self.gradients_entry(loss, by)?,
        };
        let marked = self.program.marked(&self.work.entries[plain].entry)?;
        let marked = self.entry_at(marked);
        let place = |interface: &Interface, given: &mut [Option<Given>]| {
            place_both(interface, inputs, targets, given)
        };
        for index in [plain, marked] {
            self.ready(index, place)?;
            if what != Profiled::Forward {
                self.refuse_empty(index)?;
            }
        }
        // It is about to run many times, so a size that may have code of its own has it made now; both forms run the same.
        if self.work.entries[plain].prepared().calls_left > 0 {
            self.take_own_code(plain);
        }
        let fixed = |index: usize| &self.work.entries[index].code.entry.fixed;
        if fixed(plain) != fixed(marked) {
            self.take_own_code(marked);
        }
        let machine = Machine::measure_for(self.program.target())?;
        let saved = self.storages.iter().map(|storage| storage.copy("a copy of the parameters"));
        let saved = saved.collect::<Result<Vec<Buffer>, Error>>()?;
        let measured = self.measure([plain, marked], place);
        self.storages.put_back(saved);
        let Measured { mut functions, mut steps } = measured?;
        let overhead = Marks::overhead();
        // What is as short as the clock's own doubt took no time that anybody could tell.
        let without_mark = |seconds: f64| if seconds - overhead > DOUBT { seconds - overhead } else { 0.0 };
        let costs = self.costs(marked);
        let rows = costs.into_iter().zip(&mut functions).map(|((kernels, cost), samples)| {
            let measured = without_mark(middle(samples));
            let least = without_mark(samples.first().copied().unwrap_or(0.0));
            Row { kernels, cost, predicted: cost.seconds(&machine.speed), measured, least }
        });
        Ok(Profile {
            entry: self.work.entries[plain].entry.name().to_owned(),
            rows: rows.collect(),
            sizes: self.sizes(plain),
            variant: self.work.entries[plain].code.report.clone(),
            step: middle(&mut steps),
            steps: functions.first().map_or(0, Vec::len),
            threads: self.program.pool().map_or(1, Pool::threads),
            machine,
        })
    }

    /// Runs both forms of an entry alternately, and takes the times.
    fn measure(
        &mut self,
        [plain, marked]: [usize; 2],
        place: impl Fn(&Interface, &mut [Option<Given>]) -> Result<(), Error>,
    ) -> Result<Measured, Error> {
        let mut buffers = self.work.entries[plain].output_buffers();
        let mut outputs: Vec<ViewMut<'_>> = buffers.iter_mut().map(OutputBuffer::view_mut).collect();
        let count = self.costs(marked).len();
        let mut run = |worker: &mut Worker<'_>, index: usize, steps: usize, marks: Option<&mut Marks>| {
            worker.ready(index, &place)?;
            let start = Instant::now();
            worker.launch_many(index, steps, &mut outputs, marks)?;
            Ok::<_, Error>(start.elapsed().as_secs_f64() / steps as f64)
        };
        // Twice, because what is touched first is slower.
        run(self, plain, 1, None)?;
        let once = run(self, plain, 1, None)?.max(1e-9);
        let steps = (CALL.as_secs_f64() / once).clamp(1.0, 1000.0) as usize;
        run(self, marked, steps, Some(&mut Marks::new(count, steps)))?;
        let mut measured = Measured { functions: vec![Vec::new(); count], steps: Vec::new() };
        let start = Instant::now();
        while measured.steps.len() < LEAST_CALLS || start.elapsed() < LONG_ENOUGH {
            measured.steps.push(run(self, plain, steps, None)?);
            let mut marks = Marks::new(count, steps);
            run(self, marked, steps, Some(&mut marks))?;
            for (all, samples) in measured.functions.iter_mut().zip(&marks.samples) {
                all.extend(samples);
            }
        }
        Ok(measured)
    }

    /// What the functions of a ready entry cost.
    fn costs(&self, index: usize) -> Vec<(Vec<String>, Counted)> {
        let prepared = self.work.entries[index].prepared();
        let entry = &self.work.entries[index].code.entry;
        let interface = &self.work.entries[index].entry.interface;
        let sizes = interface.bindings(&prepared.sizes, &Bindings::new());
        let functions = entry.functions.iter();
        functions
            .map(|function| (function.kernels.clone(), function.cost.at(&sizes).unwrap_or_default()))
            .collect()
    }

    fn sizes(&self, index: usize) -> Vec<(Arc<str>, i64)> {
        let runnable = &self.work.entries[index];
        let names = runnable.entry.interface.symbols.iter().cloned();
        names.zip(runnable.prepared().sizes.iter().copied()).collect()
    }
}

/// A call with several steps is about so long.
const CALL: Duration = Duration::from_millis(2);
/// Seconds between two marks that may be between any two marks.
const DOUBT: f64 = 1e-9;
/// Calls are repeated for so long,
const LONG_ENOUGH: Duration = Duration::from_millis(300);
/// and at least so often.
const LEAST_CALLS: usize = 5;

/// Seconds of each function in each step, and of whole steps.
struct Measured {
    functions: Vec<Vec<f64>>,
    steps: Vec<f64>,
}

impl Row {
    /// Floating-point operations a second.
    pub fn arithmetic_rate(&self) -> f64 {
        ratio(self.cost.arithmetic as f64, self.measured)
    }

    /// Bytes read and written a second.
    pub fn byte_rate(&self) -> f64 {
        ratio(self.cost.bytes() as f64, self.measured)
    }

    /// Share of the operations a second that one core's loop of multiply-adds makes, however many threads share the function.
    pub fn share_of_peak(&self, machine: &Machine) -> f64 {
        ratio(self.arithmetic_rate(), machine.speed.arithmetic)
    }

    /// Share of the bytes a second that one core moves in the level of memory that holds what the function touches.
    pub fn share_of_bandwidth(&self, machine: &Machine) -> f64 {
        ratio(self.cost.moving(&machine.speed), self.measured)
    }
}

impl Profile {
    /// All functions together: sums of what they do, of predictions, and of measured times.
    pub fn total(&self) -> Row {
        let start =
            Row { kernels: Vec::new(), cost: Counted::default(), predicted: 0.0, measured: 0.0, least: 0.0 };
        self.rows.iter().fold(start, |sum, row| Row {
            kernels: Vec::new(),
            cost: sum.cost + row.cost,
            predicted: sum.predicted + row.predicted,
            measured: sum.measured + row.measured,
            least: sum.least + row.least,
        })
    }

    /// The rows' share of a whole step. What is missing from 1 is spent between functions. More than 1 is what marks cost: a processor
    /// begins a function before it is through with the one before it, but not across a mark, which shows where they take nanoseconds.
    pub fn explained(&self) -> f64 {
        ratio(self.total().measured, self.step)
    }
}

/// 0 of nothing.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl fmt::Display for Profile {
    /// A line about the step, one about the machine, and a table with a line a function. The first says which code ran.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.entry)?;
        for (place, (name, size)) in self.sizes.iter().enumerate() {
            write!(f, "{} {name} = {size}", if place == 0 { " with" } else { "," })?;
        }
        if self.threads > 1 {
            write!(f, " on {} threads, beside one core's limits", self.threads)?;
        }
        let (step, explained) = (time(self.step), 100.0 * self.explained());
        write!(f, ": {step}, of which the functions below explain {explained:.0} %; ")?;
        match &self.variant {
            Some(VariantReport { origin, time, .. }) => {
                writeln!(f, "code for this size, {origin}, compiled in {:.1} ms", time.as_secs_f64() * 1e3)?;
            }
            None => writeln!(f, "code for any size")?,
        }
        writeln!(f, "{}\n", self.machine)?;
        for (place, heading) in HEADINGS.iter().enumerate() {
            let width = WIDTHS[place];
            if place == 0 { write!(f, "{heading:<width$}")? } else { write!(f, " {heading:>width$}")? }
        }
        writeln!(f)?;
        for row in &self.rows {
            self.write_row(f, &shortened(&row.kernels), row)?;
        }
        self.write_row(f, "all", &self.total())
    }
}

const HEADINGS: [&str; 9] = [
    "function",
    "operations",
    "bytes",
    "predicted",
    "measured",
    "fastest",
    "GFLOP/s",
    "of peak",
    "of memory",
];
const WIDTHS: [usize; 9] = [44, 10, 10, 10, 10, 10, 8, 8, 9];

impl Profile {
    fn write_row(&self, f: &mut fmt::Formatter<'_>, name: &str, row: &Row) -> fmt::Result {
        let machine = &self.machine;
        let cells = [
            count(row.cost.arithmetic),
            count(row.cost.bytes()) + "B",
            time(row.predicted),
            time(row.measured),
            time(row.least),
            format!("{:.1}", row.arithmetic_rate() / 1e9),
            format!("{:.0} %", 100.0 * row.share_of_peak(machine)),
            format!("{:.0} %", 100.0 * row.share_of_bandwidth(machine)),
        ];
        write!(f, "{name:<0$}", WIDTHS[0])?;
        for (cell, width) in cells.iter().zip(&WIDTHS[1..]) {
            write!(f, " {cell:>width$}")?;
        }
        writeln!(f)
    }
}

/// Names that fit into the table: the first ones, and how many more there are.
fn shortened(kernels: &[String]) -> String {
    let mut text = String::new();
    for (place, kernel) in kernels.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let rest = if place + 1 < kernels.len() { 5 } else { 0 };
        if text.chars().count() + comma.len() + kernel.chars().count() + rest > WIDTHS[0] {
            let left = kernels.len() - place;
            if place > 0 {
                return format!("{text} +{left}");
            }
            let more = if left > 1 { format!(" +{}", left - 1) } else { String::new() };
            let kept: String = kernel.chars().take(WIDTHS[0] - 1 - more.len()).collect();
            return format!("{kept}…{more}");
        }
        text = text + comma + kernel;
    }
    text
}

/// Three digits with a unit.
fn time(seconds: f64) -> String {
    let (scale, unit) = match seconds {
        ..1e-6 => (1e9, "ns"),
        ..1e-3 => (1e6, "µs"),
        ..1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", digits(seconds * scale))
}

fn count(number: u64) -> String {
    let (scale, unit) = match number as f64 {
        ..1e3 => return format!("{number} "),
        ..1e6 => (1e3, "k"),
        ..1e9 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    format!("{} {unit}", digits(number as f64 / scale))
}

fn digits(value: f64) -> String {
    let places = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.places$}")
}
