//! Which epoch is the best, and when nothing gets better.

use super::history::Resume;
use super::options::Fit;
use super::watch::Watch;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use downhill_runtime::state::State;
use std::sync::Arc;

/// The best epoch so far.
pub(super) struct Best {
    watch: Watch,
    least_gain: f64,
    patience: Option<u64>,
    keeps: bool,
    best: Option<f64>,
    /// Epochs since the best.
    since: u64,
    weights: Option<Arc<State>>,
}

impl Best {
    pub(super) fn new(options: &Fit<'_>, resume: &Resume) -> Best {
        let Fit { watch, least_gain, patience, .. } = *options;
        let keeps = options.keep_best && (options.validation.is_some() || patience.is_some());
        let weights = resume.weights.clone().filter(|_| keeps);
        Best { watch, least_gain, patience, keeps, best: resume.best, since: resume.since, weights }
    }

    /// Looks at an epoch; tells whether it is the best so far. NaN never is.
    pub(super) fn look(&mut self, net: &Model, watched: Option<f64>) -> bool {
        let Some(watched) = watched.filter(|watched| !watched.is_nan()) else {
            self.since += 1;
            return false;
        };
        let is_better = self.best.is_none_or(|best| match self.watch {
            Watch::Loss | Watch::Lowest => watched < best - self.least_gain,
            Watch::Highest => watched > best + self.least_gain,
        });
        if is_better {
            (self.best, self.since) = (Some(watched), 0);
            self.weights = self.keeps.then(|| Arc::new(declared(net)));
        } else {
            self.since += 1;
        }
        is_better
    }

    /// Writes what it knows into where training is.
    pub(super) fn tell(&self, resume: &mut Resume) {
        (resume.best, resume.since, resume.weights) = (self.best, self.since, self.weights.clone());
    }

    /// Whether nothing has got better for as long as the patience says.
    pub(super) fn is_tired(&self) -> bool {
        self.patience.is_some_and(|patience| self.since >= patience)
    }

    /// Gives the model the parameters and statistics of its best epoch, where a later one was not better.
    pub(super) fn restore(self, net: &mut Model) -> Result<(), Error> {
        match self.weights {
            Some(weights) if self.since > 0 => net.restore_parameters(&weights),
            _ => Ok(()),
        }
    }
}

/// What inference reads of a model: not what optimizers keep.
fn declared(net: &Model) -> State {
    let mut state = net.state();
    state.states.retain(|(name, _)| net.program().declares(name));
    State { parameters: state.parameters, states: state.states, ..State::default() }
}
