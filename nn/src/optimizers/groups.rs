//! Parameters that are trained otherwise than the rest, by their names.

use super::parameter::Parameter;
use super::pattern::Pattern;
use super::rule::{Optimizer, UpdateRule, check_rates};
use super::updates::Updates;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};

/// A rule for all parameters, and what some do otherwise; begun by any word of it, such as [`Compose::freeze`](super::Compose::freeze).
///
/// A pattern is a parameter's name in which each `*` stands for any characters, or none: `h.*`, `*.bias`. One that fits no parameter of the
/// network is an error. Of several words of one kind that fit a parameter, the last one counts.
#[derive(Clone, Debug)]
pub struct Groups {
    inner: Optimizer,
    words: Vec<(Which, Word)>,
}

/// Which parameters.
#[derive(Clone, Debug)]
enum Which {
    Named(Pattern),
    /// Those of fewer than two axes.
    Vectors,
}

/// What is said of them.
#[derive(Clone, Debug)]
enum Word {
    Rate(f64),
    Decay(f64),
    Rule(Optimizer),
    Freeze(bool),
}

impl Groups {
    pub(super) fn new(inner: Optimizer) -> Groups {
        Groups { inner, words: Vec::new() }
    }

    fn say(mut self, which: Which, word: Word) -> Groups {
        self.words.push((which, word));
        self
    }

    fn say_of(self, pattern: &str, word: Word) -> Groups {
        self.say(Which::Named(Pattern::new(pattern)), word)
    }

    /// Multiplies the learning rate of these parameters.
    #[must_use]
    pub fn rate(self, pattern: &str, factor: f64) -> Groups {
        self.say_of(pattern, Word::Rate(factor))
    }

    /// The weight decay of these parameters, in place of their rule's. A rule that knows no weight decay, such as
    /// [`rprop`](fn@super::rprop), cannot take one.
    #[must_use]
    pub fn decay(self, pattern: &str, weight_decay: f64) -> Groups {
        self.say_of(pattern, Word::Decay(weight_decay))
    }

    /// Another rule for these parameters. Where the learning rate is changed, its rate keeps its ratio to that of the rule for all.
    #[must_use]
    pub fn rule(self, pattern: &str, rule: impl Into<Optimizer>) -> Groups {
        self.say_of(pattern, Word::Rule(rule.into()))
    }

    /// Leaves these parameters as they are. No gradient by them is computed, and no state is kept of them.
    #[must_use]
    pub fn freeze(self, pattern: &str) -> Groups {
        self.say_of(pattern, Word::Freeze(true))
    }

    /// Trains these parameters although an earlier word froze them: `.freeze("*").train("head.*")`.
    #[must_use]
    pub fn train(self, pattern: &str) -> Groups {
        self.say_of(pattern, Word::Freeze(false))
    }

    /// Spares biases and the scales of norms weight decay: all parameters of fewer than two axes.
    #[must_use]
    pub fn spare_vectors(self) -> Groups {
        self.say(Which::Vectors, Word::Decay(0.0))
    }

    /// The last of the words that fit a parameter and of which `of` makes something.
    fn last<'s, T>(&'s self, w: &Parameter, of: impl Fn(&'s Word) -> Option<T>) -> Option<T> {
        let fits = |which: &Which| match which {
            Which::Named(pattern) => pattern.fits(&w.name()),
            Which::Vectors => w.sizes().len() < 2,
        };
        self.words.iter().rev().filter(|(which, _)| fits(which)).find_map(|(_, word)| of(word))
    }

    /// The position of a parameter's rule among the words, if it has one of its own, and the factor of its rate.
    fn part_of(&self, w: &Parameter) -> Part {
        let rule = self.rule_of(&w.name());
        let factor = self.last(w, |word| if let Word::Rate(factor) = word { Some(*factor) } else { None });
        Part { rule, factor: factor.unwrap_or(1.0) }
    }

    /// The position of the rule that a name has of its own.
    fn rule_of(&self, name: &str) -> Option<usize> {
        let fits = |which: &Which| if let Which::Named(pattern) = which { pattern.fits(name) } else { false };
        self.words.iter().rposition(|(which, word)| matches!(word, Word::Rule(_)) && fits(which))
    }

    fn rule_at(&self, position: Option<usize>) -> &Optimizer {
        let word = position.map(|position| &self.words[position].1);
        if let Some(Word::Rule(rule)) = word { rule } else { &self.inner }
    }

    fn is_frozen(&self, name: &str) -> bool {
        let frozen = self.words.iter().rev().find_map(|(which, word)| match (which, word) {
            (Which::Named(pattern), Word::Freeze(frozen)) if pattern.fits(name) => Some(*frozen),
            _ => None,
        });
        frozen.unwrap_or(false)
    }
}

/// Parameters that one rule moves at one rate.
#[derive(Clone, Copy, PartialEq)]
struct Part {
    rule: Option<usize>,
    factor: f64,
}

impl UpdateRule for Groups {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        self.inner.check()?;
        for (_, word) in &self.words {
            match word {
                Word::Rate(factor) => check("a factor of the learning rate", *factor, Allowed::FromZero)?,
                Word::Decay(decay) => check("a weight decay", *decay, Allowed::FromZero)?,
                Word::Rule(rule) => check_rates(self.learning_rate(), rule)?,
                Word::Freeze(_) => {}
            }
        }
        Ok(())
    }

    fn check_names(&self, names: &[&str]) -> Result<(), Error> {
        self.inner.check_names(names)?;
        for (which, word) in &self.words {
            if let Which::Named(pattern) = which {
                pattern.check(names)?;
            }
            if let Word::Rule(rule) = word {
                rule.check_names(names)?;
            }
        }
        Ok(())
    }

    fn trains(&self, name: &str) -> bool {
        !self.is_frozen(name) && self.rule_at(self.rule_of(name)).trains(name)
    }

    fn append(&self, updates: &Updates) {
        let decay = |w: &Parameter| {
            self.last(w, |word| if let Word::Decay(decay) = word { Some(*decay) } else { None })
        };
        let updates = updates.with_weight_decay(decay);

        // In the order of declaration, whatever is said first.
        let mut parts: Vec<Part> = Vec::new();
        for part in updates.parameters().iter().map(|w| self.part_of(w)) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }

        for (number, part) in parts.iter().enumerate() {
            let mut own = updates.only(|w| self.part_of(w) == *part);
            if part.factor != 1.0 {
                own = own.with_learning_rate(&(updates.learning_rate() * part.factor));
            }
            if number > 0 {
                own = own.part(&number.to_string());
            }
            self.rule_at(part.rule).write_beside(self.learning_rate(), &own);
        }
        updates.check_decays();
    }
}
