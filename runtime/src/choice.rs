//! Which entry a call means: by the name of a loss, or the only one there is.
//!
//! In: a program, a name or none. Out: the loss, the place of its step; or what there is to choose from.

use crate::error::Error;
use crate::outputs::{name_of, names};
use crate::program::Program;
use crate::worker::FIRST_STEP;
use downhill_graph::graph::Purpose;
use downhill_graph::types::Type;

impl Program {
    /// The outputs of `forward`, with their types.
    pub(crate) fn outputs(&self) -> &[(Purpose, Type)] {
        &self.forward().generic().entry.outputs
    }

    /// Refuses where there is not one output.
    pub(crate) fn check_only_output(&self) -> Result<(), Error> {
        match self.outputs() {
            [_] => Ok(()),
            [] => Err(Error::usage("this network has no output", "declare one: `output p;`")),
            several => Err(Error::usage(
                format!("this network has several outputs: {}", names(several).join(", ")),
                format!(
                    "use `forward_all`, which gives each by its name: `.get(\"{}\")?`, or all as `.into_array()?`",
                    name_of(&several[0].0),
                ),
            )),
        }
    }

    /// Refuses another number of outputs than `forward` writes.
    pub(crate) fn check_output_count(&self, found: usize) -> Result<(), Error> {
        let outputs = self.outputs();
        if found == outputs.len() {
            return Ok(());
        }
        let expected = outputs.iter().map(|(purpose, _)| name_of(purpose).to_string()).collect();
        Err(Error::Count { entry: "forward".into(), kind: "output", expected, found })
    }

    /// The place of a loss's step among a workspace's entries; of the only loss's when none is named.
    pub(crate) fn step_of(&self, loss: Option<&str>) -> Result<usize, Error> {
        let loss = self.loss_name(loss)?;
        let found = self.steps().iter().position(|step| step.loss.as_deref() == Some(loss));
        found.map(|step| FIRST_STEP + step).ok_or_else(|| {
            Error::usage(
                format!("loss `{loss}` has no training step: no optimizer was given for it"),
                "add `.optimizer(sgd(0.1))` before `.build()`",
            )
        })
    }

    /// The loss of this name; the only one when none is named.
    pub(crate) fn loss_name(&self, loss: Option<&str>) -> Result<&str, Error> {
        let names = || self.losses();
        if let Some(wanted) = loss {
            return names()
                .find(|name| *name == wanted)
                .ok_or_else(|| Error::unknown("loss", wanted, names()));
        }

        let mut all = names();
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                Err(Error::usage("this network has no loss", "declare one: `loss squared_error(p, y);`"))
            }
            (Some(first), Some(_)) => Err(Error::usage(
                "this network has several losses, and none was named",
                format!("name one, as in `step_loss(\"{first}\", …)`"),
            )),
        }
    }
}
