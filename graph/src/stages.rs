//! The stages of a build: each is named, timed, verified, and can be shown.
//!
//! In: which stages to show, and to whom. Out: [`Stages`], which the pipeline runs its stages through, and their times.

use std::convert::Infallible;
use std::time::{Duration, Instant};

/// A stage of a build, named by what comes out of it. In the order of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// What the code is made for.
    Target,
    /// The declaration's graph, once as it is for inference and once for training.
    Graph,
    /// The gradients of a loss; to be read as formulas.
    Gradient,
    /// With the optimizer's updates appended.
    Updates,
    /// As the passes left it.
    Passes,
    /// Verified, in release builds too: later stages rely on its sizes.
    Checked,
    /// With the ops spelled out that kernels have no form for.
    Prepared,
    /// Groups of values, each made by one kernel.
    Fused,
    /// Kernel IR.
    Kernel,
    /// The order of the kernels, and the arena.
    Plan,
    /// Kernels as a variant runs them on a target: packed, with the schedule of their loops.
    Schedule,
    /// Lane programs.
    Lane,
    /// Machine code of the lane programs.
    Machine,
    /// The function that calls the kernels.
    Entry,
    /// All functions in one image.
    Code,
    /// The image in executable memory.
    Load,
}

impl Stage {
    /// All of them, in the order of a build.
    pub const ALL: [Stage; 16] = [
        Stage::Target,
        Stage::Graph,
        Stage::Gradient,
        Stage::Updates,
        Stage::Passes,
        Stage::Checked,
        Stage::Prepared,
        Stage::Fused,
        Stage::Kernel,
        Stage::Plan,
        Stage::Schedule,
        Stage::Lane,
        Stage::Machine,
        Stage::Entry,
        Stage::Code,
        Stage::Load,
    ];

    /// Whether what it gives can be written as text.
    pub fn has_text(self) -> bool {
        !matches!(self, Stage::Target | Stage::Checked | Stage::Load)
    }

    /// Its word in reports and in `DOWNHILL_DUMP`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Target => "target",
            Stage::Graph => "graph",
            Stage::Gradient => "gradient",
            Stage::Updates => "updates",
            Stage::Passes => "passes",
            Stage::Checked => "checked",
            Stage::Prepared => "prepared",
            Stage::Fused => "fused",
            Stage::Kernel => "kernel",
            Stage::Plan => "plan",
            Stage::Schedule => "schedule",
            Stage::Lane => "lane",
            Stage::Machine => "machine",
            Stage::Entry => "entry",
            Stage::Code => "code",
            Stage::Load => "load",
        }
    }
}

/// The function that is shown a stage's result: the entry, the stage, the text.
pub type Show<'w> = &'w mut dyn FnMut(&str, Stage, &str);

/// Runs the stages of a build.
pub struct Stages<'w> {
    /// What is being made, as forms to read call it: `train`, `step`, `step batch 64`.
    entry: String,
    wanted: Vec<Stage>,
    /// Whether what stages give is verified.
    verify: bool,
    show: Option<Show<'w>>,
    times: [Duration; Stage::ALL.len()],
    /// What each entry, or variant of one, took.
    spent: Vec<(String, Duration)>,
}

impl<'w> Stages<'w> {
    /// For nobody to look at.
    pub fn unwatched() -> Stages<'w> {
        Stages {
            entry: String::new(),
            wanted: Vec::new(),
            verify: cfg!(debug_assertions),
            show: None,
            times: Default::default(),
            spent: Vec::new(),
        }
    }

    /// Shows the stages that are wanted.
    pub fn watched(wanted: &[Stage], show: Show<'w>) -> Stages<'w> {
        Stages { wanted: wanted.to_vec(), show: Some(show), ..Stages::unwatched() }
    }

    /// Has what stages give verified if `verify`, in release builds too; in debug builds it always is.
    #[must_use]
    pub fn verifying(self, verify: bool) -> Stages<'w> {
        Stages { verify: self.verify || verify, ..self }
    }

    /// Whether what stages give is verified.
    pub fn verifies(&self) -> bool {
        self.verify
    }

    /// From here on the stages are about this entry, or variant of one.
    pub fn of(&mut self, entry: &str) {
        self.entry.clear();
        self.entry.push_str(entry);
    }

    /// Runs a stage. What it gives is verified, in debug builds or where that is asked for, by `verify`, which panics, and shown, if it
    /// is wanted, as `text` writes it. Neither counts as the stage's time.
    pub fn run<R>(
        &mut self,
        stage: Stage,
        make: impl FnOnce() -> R,
        verify: impl FnOnce(&R),
        text: impl FnOnce(&R) -> String,
    ) -> R {
        let Ok(result) = self.try_run(stage, || Ok::<R, Infallible>(make()), verify, text);
        result
    }

    /// Runs a stage that may fail, as [`Stages::run`] does; what failed is neither verified nor shown.
    ///
    /// # Errors
    /// As `make`.
    pub fn try_run<R, E>(
        &mut self,
        stage: Stage,
        make: impl FnOnce() -> Result<R, E>,
        verify: impl FnOnce(&R),
        text: impl FnOnce(&R) -> String,
    ) -> Result<R, E> {
        let result = self.time(stage, make)?;
        if self.verify {
            verify(&result);
        }
        self.show(stage, || text(&result));
        Ok(result)
    }

    /// Runs a part of a stage.
    pub fn time<R>(&mut self, stage: Stage, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _span = tracing::debug_span!("stage", name = stage.name(), entry = %self.entry).entered();
        let start = Instant::now();
        let result = work();
        let time = start.elapsed();
        self.times[stage as usize] += time;
        match self.spent.iter_mut().rev().find(|(entry, _)| *entry == self.entry) {
            Some((_, spent)) => *spent += time,
            None => self.spent.push((self.entry.clone(), time)),
        }
        result
    }

    /// Shows a stage's text, which is not made where it is not wanted.
    pub fn show(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        if let Some(show) = &mut self.show
            && self.wanted.contains(&stage)
        {
            show(&self.entry, stage, &text());
        }
    }

    /// Whether a stage is to be shown.
    pub fn wants(&self, stage: Stage) -> bool {
        self.wanted.contains(&stage)
    }

    /// How long all stages of an entry, or variant of one, took together.
    pub fn time_of(&self, entry: &str) -> Duration {
        self.spent.iter().filter(|(known, _)| known == entry).map(|(_, time)| *time).sum()
    }

    /// How long each stage took that ran, over all entries.
    pub fn times(&self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.into_iter().zip(self.times).filter(|(_, time)| !time.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_in_their_order() {
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index, "{}", stage.name());
        }
    }

    #[test]
    fn only_what_is_wanted_is_written() {
        let mut seen = Vec::new();
        let mut show =
            |entry: &str, stage: Stage, text: &str| seen.push(format!("{entry} {} {text}", stage.name()));
        let mut stages = Stages::watched(&[Stage::Plan], &mut show);
        stages.of("step");
        let one = stages.run(Stage::Plan, || 1, |one| assert_eq!(*one, 1), |one| format!("of {one}"));
        let failed: Result<i32, &str> =
            stages.try_run(Stage::Plan, || Err("no"), |_| panic!("verified"), |_| panic!("shown"));
        assert_eq!((one, failed), (1, Err("no")));
        stages.run(Stage::Lane, || (), |()| (), |()| panic!("not wanted"));
        assert!(stages.times().any(|(stage, _)| stage == Stage::Plan));
        let all: Duration = stages.times().map(|(_, time)| time).sum();
        assert_eq!((stages.time_of("step"), stages.time_of("forward")), (all, Duration::ZERO));
        drop(stages);
        assert_eq!(seen, ["step plan of 1"]);
    }
}
