//! Successive halving: the worse half is given up at each budget.
//!
//! Must hold: what goes on depends on errors and numbers of trials alone. A trial that a table tells of a larger budget had gone on.

use super::findings::{Finding, Findings};
use super::searching::{Method, Search};
use super::trial::Trial;
use crate::mistake::misuse;
use downhill_runtime::error::Error;

/// What became of a trial at a budget.
enum Made<K> {
    /// Its error, and what it kept.
    Reached(f64, Option<K>),
    /// It is known to have gone on from here.
    Ahead(Option<K>),
    /// Why it failed, in words, and as an error where it was made now.
    Failed(String, Option<Error>),
}

impl<K> Made<K> {
    /// What a table tells of it at this budget or a larger one.
    fn told(made: &Finding, budget: u64, kept: Option<K>) -> Made<K> {
        match &made.failure {
            _ if made.budget > Some(budget) => Made::Ahead(kept),
            Some(failure) => Made::Failed(failure.clone(), None),
            None => Made::Reached(made.error, kept),
        }
    }

    fn of(trained: Result<(f64, K), Error>) -> Made<K> {
        match trained {
            Ok((error, _)) if error.is_nan() => Made::Failed("its error is NaN".into(), None),
            Ok((error, kept)) => Made::Reached(error, Some(kept)),
            Err(error) => Made::Failed(error.to_string(), Some(error)),
        }
    }
}

/// A trial that has not failed.
struct Alive<K> {
    trial: Trial,
    error: f64,
    kept: Option<K>,
    is_ahead: bool,
}

impl Search {
    /// Successive halving (Jamieson, Talwalkar: Non-stochastic Best Arm Identification and Hyperparameter Optimization; AISTATS 2016): `count`
    /// random trials are trained to the first budget, the better half of them on to the second, and so on; the last budgets are spent on few.
    /// `train` is given the trial, the budget to reach, and what it kept of the trial at the budget before.
    ///
    /// What a table of [`Search::resume`] tells is not made again; so a search that was interrupted goes on if `train` writes down each
    /// trial with the budget that it reached. A trial that goes on from the table has nothing kept: `train` then begins it anew.
    ///
    /// # Errors
    /// No trials or budgets, budgets that do not grow, a table of other budgets; the first failure, where all trials failed.
    ///
    /// # Examples
    /// ```
    /// use downhill::search::{Search, log};
    ///
    /// # fn main() -> Result<(), downhill::Error> {
    /// let search = Search::new([("rate", log(1e-4..=1.0))])?;
    /// // In place of training: a longer one is better, and so is a rate near 0.01.
    /// let findings = search.halving(8, &[1, 2, 4], |trial, budget, kept: Option<u64>| {
    ///     let steps = kept.unwrap_or(0)..budget; // those that are still to be made
    ///     let error = (trial.number("rate")?.log10() + 2.0).abs() + 1.0 / steps.end as f64;
    ///     Ok((error, budget))
    /// })?;
    /// let budgets: Vec<Option<u64>> = findings.trials.iter().map(|it| it.budget).collect();
    /// assert_eq!(budgets.iter().filter(|&&budget| budget == Some(4)).count(), 2);
    /// assert_eq!(findings.best().and_then(|best| best.budget), Some(4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn halving<K: Send>(
        &self,
        count: usize,
        budgets: &[u64],
        train: impl Fn(&Trial, u64, Option<K>) -> Result<(f64, K), Error> + Sync,
    ) -> Result<Findings, Error> {
        self.check(budgets)?;
        let total = self.count(Method::Random(count))?;
        let drawn = |number| self.trial(Method::Random(count), number, &Findings::default());
        let trial = |number| self.farthest(number).map_or_else(|| drawn(number), |made| made.trial.clone());
        let mut open: Vec<(Trial, Option<K>)> = (0..total).map(|number| (trial(number), None)).collect();

        let (mut findings, mut first_failure) = (Findings::default(), None);
        for &budget in budgets {
            let mut alive = Vec::new();
            for (trial, made) in self.round(open, budget, &train)? {
                match made {
                    Made::Reached(error, kept) => alive.push(Alive { trial, error, kept, is_ahead: false }),
                    Made::Ahead(kept) => alive.push(Alive { trial, error: 0.0, kept, is_ahead: true }),
                    Made::Failed(told, error) => {
                        findings.trials.push(Finding {
                            trial,
                            error: f64::INFINITY,
                            failure: Some(told),
                            budget: Some(budget),
                        });
                        first_failure = first_failure.or(error);
                    }
                }
            }

            let go_on = if Some(&budget) == budgets.last() { 0 } else { better_half(&mut alive) };
            let ended = alive.split_off(go_on).into_iter();
            findings.trials.extend(ended.map(|Alive { trial, error, .. }| Finding {
                trial,
                error,
                failure: None,
                budget: Some(budget),
            }));
            open = alive.into_iter().map(|alive| (alive.trial, alive.kept)).collect();
        }

        findings.sort();
        match first_failure {
            Some(failure) if findings.best().is_none() => Err(failure),
            _ => Ok(findings),
        }
    }

    /// Brings trials to a budget, those that the table does not tell of by training.
    fn round<K: Send>(
        &self,
        open: Vec<(Trial, Option<K>)>,
        budget: u64,
        train: &(impl Fn(&Trial, u64, Option<K>) -> Result<(f64, K), Error> + Sync),
    ) -> Result<Vec<(Trial, Made<K>)>, Error> {
        let (mut told, mut to_make) = (Vec::new(), Vec::new());
        for (trial, kept) in open {
            match self.farthest(trial.number).filter(|made| made.budget >= Some(budget)) {
                Some(made) => told.push((trial, Made::told(made, budget, kept))),
                None => to_make.push((trial, kept)),
            }
        }
        let made = self.on_threads(to_make, |(trial, kept)| {
            let made = Made::of(train(&trial, budget, kept));
            Ok((trial, made))
        })?;
        told.extend(made);
        Ok(told)
    }

    /// Refuses budgets that make no sense, or that are not those of the trials made before.
    fn check(&self, budgets: &[u64]) -> Result<(), Error> {
        if budgets.is_empty() || budgets.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(misuse(format!("budgets of {budgets:?}"), "give several that grow: `[1, 3, 9]`"));
        }
        let strange = self.made.iter().find(|made| made.budget.is_some_and(|it| !budgets.contains(&it)));
        match strange {
            None => Ok(()),
            Some(made) => Err(misuse(
                format!(
                    "trial {} of the table reached {}, which is none of the budgets {budgets:?}",
                    made.trial.number,
                    made.budget.unwrap_or_default()
                ),
                "give the budgets of the search that made the table",
            )),
        }
    }

    /// What is known of a trial at the largest budget that it reached.
    fn farthest(&self, number: u64) -> Option<&Finding> {
        let of_trial = self.made.iter().filter(|made| made.trial.number == number && made.budget.is_some());
        of_trial.max_by_key(|made| made.budget)
    }
}

/// Puts those that go on first; gives how many they are.
fn better_half<K>(alive: &mut [Alive<K>]) -> usize {
    alive.sort_by(|a, b| {
        let by_error = a.error.total_cmp(&b.error).then(a.trial.number.cmp(&b.trial.number));
        b.is_ahead.cmp(&a.is_ahead).then(by_error)
    });
    alive.len().div_ceil(2).max(alive.iter().filter(|alive| alive.is_ahead).count())
}
