//! The arguments, and who takes them.

use crate::failure::Failure;
use crate::report::Report;
use crate::{bench, evaluate, fit, inspect, predict, search};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

/// Networks for tables: trained, used and looked into from a shell.
#[derive(Parser, Debug)]
#[command(name = "downhill", version, infer_long_args = true)]
pub(crate) struct Command {
    /// One JSON document on the standard output, and nothing else
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Fit(Box<fit::Options>),
    Predict(predict::Options),
    Evaluate(evaluate::Options),
    Search(Box<search::Options>),
    Inspect(inspect::Options),
    Bench(bench::Options),
    /// Print what a shell completes the command by
    Completions {
        /// For which shell
        shell: Shell,
    },
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut report = Report::new(self.json);
        match self.what {
            What::Fit(options) => options.run(&mut report)?,
            What::Predict(options) => options.run(&mut report)?,
            What::Evaluate(options) => options.run(&mut report)?,
            What::Search(options) => options.run(&mut report)?,
            What::Inspect(options) => options.run(&mut report)?,
            What::Bench(options) => options.run(&mut report)?,
            What::Completions { shell } => completions(shell, &mut report)?,
        }
        report.end()
    }
}

fn completions(shell: Shell, report: &mut Report) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Command::command(), "downhill", &mut script);
    let script = String::from_utf8_lossy(&script);
    report.tell("script", json!(script), script.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_make_sense_together() {
        Command::command().debug_assert();
    }
}
