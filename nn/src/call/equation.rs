//! Equations of axes, as `einsum` takes them: `ij,jk->ik`.
//!
//! In: text. Out: an [`Equation`], the labels of each operand's axes and of the result's, or the mistake.

use downhill_graph::error::Error;

/// What an axis is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Label {
    /// One of the axes that `...` stands for, counted from the last.
    Rest(usize),
    /// A letter.
    Letter(char),
}

/// A side of the equation: letters, and where `...` stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Term {
    letters: Vec<char>,
    rest: Option<usize>,
}

/// The axes of operands, and those of the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Equation {
    pub(crate) operands: Vec<Term>,
    result: Option<Term>,
}

impl Equation {
    /// Reads `ij,jk->ik`. Spaces mean nothing; `...` stands for all axes without a letter.
    ///
    /// # Errors
    /// What is no letter; in the result a letter twice, one that no operand has, or `...` that no operand has.
    pub(crate) fn parse(text: &str) -> Result<Equation, Error> {
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text, None),
        };
        let operands =
            left.split(',').map(|term| Term::parse(term, text)).collect::<Result<Vec<Term>, Error>>()?;
        let result = right.map(|term| Term::parse(term, text)).transpose()?;

        if let Some(result) = &result {
            for (position, letter) in result.letters.iter().enumerate() {
                if result.letters[..position].contains(letter) {
                    return Err(refused(text, &format!("`{letter}` stands twice in the result")));
                }
                if !operands.iter().any(|operand| operand.letters.contains(letter)) {
                    return Err(refused(text, &format!("`{letter}` is an axis of no operand")));
                }
            }
            if result.rest.is_some() && operands.iter().all(|operand| operand.rest.is_none()) {
                return Err(refused(text, "`...` stands in the result alone"));
            }
        }
        Ok(Equation { operands, result })
    }

    /// The labels of the result, where `...` stands for this many axes. Without `->` they are those of `...`, then the letters that stand
    /// once, in the order of the alphabet.
    pub(crate) fn result(&self, rest: usize) -> Vec<Label> {
        if let Some(result) = &self.result {
            return result.labels(rest);
        }
        let letters: Vec<char> = self.operands.iter().flat_map(|term| term.letters.iter().copied()).collect();
        let mut once: Vec<char> = letters
            .iter()
            .copied()
            .filter(|letter| letters.iter().filter(|other| *other == letter).count() == 1)
            .collect();
        once.sort_unstable();
        (0..rest).rev().map(Label::Rest).chain(once.into_iter().map(Label::Letter)).collect()
    }
}

impl Term {
    fn parse(term: &str, text: &str) -> Result<Term, Error> {
        let written: String = term.split_whitespace().collect();
        let (before, after) = match written.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (&*written, None),
        };
        let letters: Vec<char> = before.chars().chain(after.unwrap_or_default().chars()).collect();
        match letters.iter().find(|letter| !letter.is_ascii_alphabetic()) {
            Some(wrong) => Err(refused(text, &format!("`{wrong}` is no letter"))),
            None => Ok(Term { rest: after.map(|_| before.chars().count()), letters }),
        }
    }

    /// How many axes `...` stands for in an operand of `rank` axes; `None` where the letters do not fit.
    pub(crate) fn rest(&self, rank: usize) -> Option<usize> {
        let rest = rank.checked_sub(self.letters.len())?;
        (rest == 0 || self.rest.is_some()).then_some(rest)
    }

    /// The labels in their order, where `...` stands for this many axes.
    pub(crate) fn labels(&self, rest: usize) -> Vec<Label> {
        let mut labels: Vec<Label> = self.letters.iter().copied().map(Label::Letter).collect();
        if let Some(position) = self.rest {
            labels.splice(position..position, (0..rest).rev().map(Label::Rest));
        }
        labels
    }

    /// How many letters it has.
    pub(crate) fn count(&self) -> usize {
        self.letters.len()
    }
}

fn refused(text: &str, why: &str) -> Error {
    Error::new(format!("`{text}` is no equation of axes: {why}"))
        .help("as in `ij,jk->ik`: a letter for each axis")
}
