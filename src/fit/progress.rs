//! What is told while it trains.

use super::history::{History, Record};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// What is told while it trains, on the standard error output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Nothing.
    #[default]
    Silent,
    /// A bar on a terminal, and a line an epoch; lines alone elsewhere.
    Shown,
}

/// Who tells it.
pub(super) struct Teller {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Teller {
    pub(super) fn new(progress: Progress, epochs: u64, steps: usize) -> Teller {
        let lines = progress == Progress::Shown;
        let bar = (lines && std::io::stderr().is_terminal()).then(|| {
            let total = epochs.saturating_mul(steps as u64);
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let style =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {per_sec}, {eta} left  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Teller { bar, lines }
    }

    /// Whether it wants to hear of steps within an epoch.
    pub(super) fn looks(&self) -> bool {
        self.bar.is_some()
    }

    pub(super) fn steps(&self, epoch: u64, made: usize, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("epoch {epoch}  loss {loss:.5}"));
            bar.inc(made as u64);
        }
    }

    pub(super) fn epoch(&self, record: &Record) {
        if !self.lines {
            return;
        }
        let told =
            |name: &str, number: Option<f64>| number.map_or(String::new(), |it| format!("  {name} {it:.5}"));
        let Record { epoch, loss, rows, time, .. } = record;
        let rate = *rows as f64 / time.as_secs_f64().max(1e-9);
        let (validation, metric) = (told("validation", record.validation), told("metric", record.metric));
        let line = format!("epoch {epoch:>3}  loss {loss:.5}{validation}{metric}  {rate:.0} rows/s");
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    pub(super) fn end(&self, history: &History) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.lines
            && let Some(best) = history.best()
        {
            eprintln!("best: epoch {}, after {:.2} s in all", best.epoch, history.time.as_secs_f64());
        }
    }
}
