//! A learning rate that falls where nothing gets better.

/// PyTorch's `ReduceLROnPlateau`: once a watched number has not got better for more than `patience` observations, the rate is multiplied by
/// `factor`.
///
/// Better is less than `best · (1 − threshold)`, or more than `best · (1 + threshold)` where more is better. A NaN is not better.
///
/// # Examples
/// ```
/// use downhill::schedules::ReduceOnPlateau;
///
/// let mut schedule = ReduceOnPlateau::new(0.1).patience(1);
/// let rates = [1.0, 0.5, 0.5, 0.5, 0.4].map(|loss| schedule.observe(loss));
/// assert_eq!(rates, [0.1, 0.1, 0.1, 0.01, 0.01]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    rate: f64,
    factor: f64,
    patience: u64,
    threshold: f64,
    cooldown: u64,
    least: f64,
    eps: f64,
    maximize: bool,
    best: Option<f64>,
    bad: u64,
    cooling: u64,
}

impl ReduceOnPlateau {
    /// Starts at this rate, with PyTorch's defaults: a factor of 0.1, a patience of 10, a threshold of 1e-4.
    pub fn new(rate: f64) -> ReduceOnPlateau {
        ReduceOnPlateau {
            rate,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            least: 0.0,
            eps: 1e-8,
            maximize: false,
            best: None,
            bad: 0,
            cooling: 0,
        }
    }

    /// What the rate is multiplied by.
    #[must_use]
    pub fn factor(self, factor: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { factor, ..self }
    }

    /// How many observations in a row that are not better are borne.
    #[must_use]
    pub fn patience(self, patience: u64) -> ReduceOnPlateau {
        ReduceOnPlateau { patience, ..self }
    }

    /// By which share of the best a number must be better.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { threshold, ..self }
    }

    /// How many observations after a fall are not counted.
    #[must_use]
    pub fn cooldown(self, cooldown: u64) -> ReduceOnPlateau {
        ReduceOnPlateau { cooldown, ..self }
    }

    /// The least rate.
    #[must_use]
    pub fn least(self, least: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { least, ..self }
    }

    /// The least fall: a smaller one is not made.
    #[must_use]
    pub fn eps(self, eps: f64) -> ReduceOnPlateau {
        ReduceOnPlateau { eps, ..self }
    }

    /// More is better, as of an accuracy.
    #[must_use]
    pub fn maximize(self) -> ReduceOnPlateau {
        ReduceOnPlateau { maximize: true, ..self }
    }

    /// All of it, what it has observed included, as [`ReduceOnPlateau::of_text`] reads it.
    pub(crate) fn to_text(self) -> String {
        let ReduceOnPlateau { rate, factor, patience, threshold, cooldown, least, eps, .. } = self;
        let ReduceOnPlateau { maximize, bad, cooling, .. } = self;
        let best = self.best.map_or_else(|| "none".to_owned(), |best| best.to_string());
        format!(
            "{rate} {factor} {patience} {threshold} {cooldown} {least} {eps} {maximize} {best} {bad} {cooling}"
        )
    }

    pub(crate) fn of_text(text: &str) -> Option<ReduceOnPlateau> {
        let words: Vec<&str> = text.split(' ').collect();
        let [rate, factor, patience, threshold, cooldown, least, eps, maximize, best, bad, cooling] = *words
        else {
            return None;
        };
        Some(ReduceOnPlateau {
            rate: rate.parse().ok()?,
            factor: factor.parse().ok()?,
            patience: patience.parse().ok()?,
            threshold: threshold.parse().ok()?,
            cooldown: cooldown.parse().ok()?,
            least: least.parse().ok()?,
            eps: eps.parse().ok()?,
            maximize: maximize.parse().ok()?,
            best: if best == "none" { None } else { Some(best.parse().ok()?) },
            bad: bad.parse().ok()?,
            cooling: cooling.parse().ok()?,
        })
    }

    /// The rate now.
    pub fn rate(&self) -> f32 {
        self.rate as f32
    }

    /// Takes what came out of an epoch, such as a validation loss. Gives the rate from here on.
    pub fn observe(&mut self, value: f64) -> f32 {
        if self.is_better(value) {
            (self.best, self.bad) = (Some(value), 0);
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }

        if self.bad > self.patience {
            let next = (self.rate * self.factor).max(self.least);
            if self.rate - next > self.eps {
                self.rate = next;
            }
            (self.cooling, self.bad) = (self.cooldown, 0);
        }
        self.rate()
    }

    fn is_better(&self, value: f64) -> bool {
        match (self.best, self.maximize) {
            (None, false) => value < f64::INFINITY,
            (None, true) => value > f64::NEG_INFINITY,
            (Some(best), false) => value < best * (1.0 - self.threshold),
            (Some(best), true) => value > best * (1.0 + self.threshold),
        }
    }
}
