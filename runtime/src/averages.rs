//! Inference with averages of the parameters that an optimizer keeps.
//!
//! In: a model whose optimizer keeps averages. Out: what is computed with them in the parameters' place.
//!
//! Must hold: whatever is computed, the parameters are back afterwards.

use crate::error::Error;
use crate::model::Model;
use downhill_graph::graph::StorageKind;
use downhill_nn::optimizers::AVERAGE;

impl Model {
    /// Runs `body` with the average of each parameter in its place, where an optimizer keeps one (`.average(0.999)`, `schedule_free(…)`), and
    /// puts the parameters back. Parameters without an average, such as frozen ones, stay, and so do states, such as running statistics, which
    /// are those of the parameters as they were in training. Nothing is copied.
    ///
    /// It is for inference: `net.averaged(|net| net.forward(&x))??`.
    ///
    /// # Errors
    /// No average is kept; no training step has been made; several losses keep an average of one parameter; `body` made a training step,
    /// which has changed averages and parameters as if each were the other.
    pub fn averaged<R>(&mut self, body: impl FnOnce(&mut Model) -> R) -> Result<R, Error> {
        let pairs = self.pairs()?;
        let made = self.steps_made();

        pairs.iter().for_each(|&(parameter, average)| self.storages.swap(parameter, average));
        let result = body(self);
        pairs.iter().for_each(|&(parameter, average)| self.storages.swap(parameter, average));

        if self.steps_made() == made {
            return Ok(result);
        }
        let message = "a training step was made while averages stood for the parameters";
        Err(Error::usage(message, "train outside of `averaged`"))
    }

    /// The places of parameters and of their averages.
    fn pairs(&self) -> Result<Vec<(usize, usize)>, Error> {
        let prefixes = self.prefixes();
        let mut pairs = Vec::new();
        for (parameter, storage) in self.program.storages().iter().enumerate() {
            if storage.kind != StorageKind::Parameter {
                continue;
            }
            if let Some((prefix, average)) = self.average_of(&storage.name, &prefixes)? {
                self.check_begun(prefix)?;
                pairs.push((parameter, average));
            }
        }
        if pairs.is_empty() {
            let help = "add `.average(0.999)` to the optimizer, or use `schedule_free`";
            return Err(Error::usage("no averages of the parameters are kept", help));
        }
        Ok(pairs)
    }

    /// What stands before the name of a parameter's average, and the average's place.
    fn average_of<'p>(&self, name: &str, prefixes: &'p [String]) -> Result<Option<(&'p str, usize)>, Error> {
        let mut found = None;
        for prefix in prefixes {
            let state = format!("{prefix}{name}.{AVERAGE}");
            let Ok(place) = self.program.storage_of(StorageKind::State, &state) else { continue };
            if found.replace((&**prefix, place)).is_some() {
                let message = format!("several losses keep an average of `{name}`");
                return Err(Error::usage(
                    message,
                    "read the one that is meant as a state: `net.state_of(…)`",
                ));
            }
        }
        Ok(found)
    }

    /// What stands before the names of optimizers' states: nothing, or the name of a loss.
    fn prefixes(&self) -> Vec<String> {
        let counters = self.states().filter_map(|(name, _)| name.strip_suffix("optimizer.step"));
        counters.map(str::to_owned).collect()
    }

    /// Before the first step averages are of nothing.
    fn check_begun(&self, prefix: &str) -> Result<(), Error> {
        let count = self.state_of(&format!("{prefix}optimizer.step"))?.to_f64_vec();
        if count.iter().all(|&count| count > 0.0) {
            return Ok(());
        }
        Err(Error::usage("no training step has been made, so there are no averages", "train first"))
    }
}
