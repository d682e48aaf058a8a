//! Where the time of a build went, and which sizes have code of their own. In: the stages that ran. Out: [`Report`].

use downhill_graph::stages::{Stage, Stages};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What building a program took, and what came out.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The stages in order, with the time each took over all entries and variants.
    pub stages: Vec<(Stage, Duration)>,
    /// Entries: `forward`, `step`, …
    pub entries: usize,
    /// Distinct kernels among them.
    pub kernels: usize,
    /// Kernels, of any entry, that threads share.
    pub divided: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Code that an entry has for one size: that of named sizes, which is a part of the build, and that of sizes that repeat, which came
    /// later and counts nowhere else in this report.
    pub variants: Vec<VariantReport>,
}

/// Code that an entry has for one size.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariantReport {
    /// `step`, `forward`, `gradients`.
    pub entry: String,
    /// The sizes that it was made for: `batch` is 64.
    pub sizes: Vec<(Arc<str>, i64)>,
    /// Why it was made.
    pub origin: Origin,
    /// How long it took to compile.
    pub time: Duration,
}

/// Why a size has code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was named when the network was built.
    Named,
    /// It repeated: [`Specialize::Automatic`](crate::program::Specialize::Automatic).
    Automatic,
}

impl fmt::Display for VariantReport {
    /// `step with batch = 64 (automatic, 2.1 ms)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.entry)?;
        for (place, (name, size)) in self.sizes.iter().enumerate() {
            write!(f, "{} {name} = {size}", if place == 0 { " with" } else { "," })?;
        }
        write!(f, " ({}, {:.1} ms)", self.origin, self.time.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Origin {
    /// `named` or `automatic`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Named => "named",
            Origin::Automatic => "automatic",
        })
    }
}

impl Report {
    /// All stages together.
    pub fn compile_time(&self) -> Duration {
        self.stages.iter().map(|(_, time)| *time).sum()
    }

    /// How long a stage took.
    pub fn time_of(&self, stage: Stage) -> Duration {
        self.stages.iter().filter(|(known, _)| *known == stage).map(|(_, time)| *time).sum()
    }

    /// Takes over how long the stages took.
    pub(crate) fn take_times(&mut self, stages: &Stages<'_>) {
        self.stages = stages.times().collect();
    }
}

impl fmt::Display for Report {
    /// `4 entries, 7 kernels, 8192 bytes of code in 3.1 ms: graph 0.1, …`; behind the kernels, how many threads share, if any. Stages
    /// that took less than 0.05 ms are left out. Then a line for each size that has code of its own, if any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        let long = self.stages.iter().filter(|(_, time)| milliseconds(time) >= 0.05);
        let stages: Vec<String> =
            long.map(|(stage, time)| format!("{} {:.1}", stage.name(), milliseconds(time))).collect();
        write!(
            f,
            "{} entries, {} kernels{}, {} bytes of code in {:.1} ms: {}",
            self.entries,
            self.kernels,
            if self.divided > 0 { format!(", {} shared by threads", self.divided) } else { String::new() },
            self.code_bytes,
            milliseconds(&self.compile_time()),
            stages.join(", ")
        )?;
        self.variants.iter().try_for_each(|variant| write!(f, "\n{variant}"))
    }
}
