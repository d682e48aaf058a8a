//! Where the time of a build went. In: measured stages. Out: [`Report`].

use std::fmt;
use std::time::{Duration, Instant};

/// What building a program took, and what came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The stages in order, with the time each took.
    pub stages: Vec<(String, Duration)>,
    /// Entries: `forward`, `step`, …
    pub entries: usize,
    /// Distinct kernels among them.
    pub kernels: usize,
    /// Kernels, of any entry, that threads share.
    pub divided: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
}

impl Report {
    /// All stages together.
    pub fn compile_time(&self) -> Duration {
        self.stages.iter().map(|(_, time)| *time).sum()
    }

    /// Runs `work` as a stage.
    pub(crate) fn stage<R>(&mut self, name: &str, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.add(name, start.elapsed());
        result
    }

    pub(crate) fn add(&mut self, name: &str, time: Duration) {
        match self.stages.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += time,
            None => self.stages.push((name.to_owned(), time)),
        }
    }
}

impl fmt::Display for Report {
    /// `4 entries, 7 kernels, 8192 bytes of code in 3.1 ms: declare 0.1, …`; behind the kernels, how many threads share, if any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        let stages: Vec<String> =
            self.stages.iter().map(|(name, time)| format!("{name} {:.1}", milliseconds(time))).collect();
        write!(
            f,
            "{} entries, {} kernels{}, {} bytes of code in {:.1} ms: {}",
            self.entries,
            self.kernels,
            if self.divided > 0 { format!(", {} shared by threads", self.divided) } else { String::new() },
            self.code_bytes,
            milliseconds(&self.compile_time()),
            stages.join(", ")
        )
    }
}
