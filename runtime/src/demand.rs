//! What is demanded of data, and the search for elements that violate it.
//!
//! In: the checks of a declaration that are made when data is bound. Out: [`Demand`]s, which refuse what was given.
//!
//! Must hold: valid data is read once, in vectorized loops, and nothing is allocated.

use crate::cause::{Place, Violation};
use crate::error::Error;
use crate::given::Given;
use downhill_graph::check::{Check, ROUNDING, Rule};
use downhill_graph::dim::Bindings;
use downhill_graph::types::ElementType;
use std::sync::Arc;

/// What is demanded of an input's elements.
#[derive(Debug)]
pub(crate) struct Demand {
    /// The input's slot.
    pub(crate) slot: usize,
    name: Arc<str>,
    element: ElementType,
    /// Its bound is over the symbols of the entry.
    check: Check,
}

/// Where to look.
#[derive(Clone, Copy)]
pub(crate) struct Extract<'a> {
    /// How many elements a row has, where the input has rows.
    pub(crate) row_len: Option<usize>,
    /// The rows that are used; all when `None`.
    pub(crate) rows: Option<&'a [u32]>,
}

impl Demand {
    pub(crate) fn new(
        slot: usize,
        name: &Arc<str>,
        element: ElementType,
        check: &Check,
        bindings: &Bindings,
    ) -> Demand {
        let rule = match &check.rule {
            Rule::Class(count) => Rule::Class(count.bind(bindings)),
            Rule::Index(count) => Rule::Index(count.bind(bindings)),
            other => other.clone(),
        };
        Demand { slot, name: name.clone(), element, check: Check { rule, ..check.clone() } }
    }

    /// Whether another demands the same of the same.
    pub(crate) fn is_same(&self, other: &Demand) -> bool {
        self.slot == other.slot && self.check.rule == other.check.rule
    }

    /// What indices are below under these sizes; 0 for other demands.
    pub(crate) fn classes(&self, bindings: &Bindings) -> i64 {
        self.check.rule.below().map_or(0, |count| count.evaluate(bindings).unwrap_or(0))
    }

    /// Refuses elements that break it. `classes` is the bound of class indices.
    ///
    /// # Safety
    /// `given` is still borrowed, its elements are of the input's type, and each row is one of its rows.
    pub(crate) unsafe fn check(&self, given: &Given, classes: i64, of: Extract<'_>) -> Result<(), Error> {
        if self.check.rule.below().is_some() {
            // SAFETY: the caller's promise. Both element types that can be indices are read as bits.
            let indices = unsafe { std::slice::from_raw_parts(given.base.cast::<u32>(), given.whole) };
            // A negative i32 is a large u32.
            let limit = u32::try_from(classes.clamp(0, i64::from(i32::MAX))).unwrap_or(0);
            let broken = broken(indices, of, |index| index < limit);
            return broken.map_or(Ok(()), |position| Err(self.no_index(position, indices, classes, of)));
        }
        // SAFETY: the caller's promise. Other rules are for floats.
        let numbers = unsafe { std::slice::from_raw_parts(given.base.cast::<f32>(), given.whole) };
        let range = (-ROUNDING as f32, (1.0 + ROUNDING) as f32);
        let broken = match self.check.rule {
            Rule::Probability => broken(numbers, of, |x| (x >= range.0) & (x <= range.1)),
            Rule::FromZero => broken(numbers, of, |x| x >= 0.0),
            _ => broken(numbers, of, |x| x.abs() == 1.0),
        };
        broken.map_or(Ok(()), |position| {
            let at = Place::new(position, numbers.len(), of.row_len);
            Err(self.violation(at, f64::from(numbers[position]), 0))
        })
    }

    #[cold]
    fn no_index(&self, position: usize, indices: &[u32], classes: i64, of: Extract<'_>) -> Error {
        let signed = self.element == ElementType::I32;
        let bits = indices[position];
        let value = if signed { i64::from(bits as i32) } else { i64::from(bits) };
        if matches!(self.check.rule, Rule::Class(_)) {
            return Error::Class { name: self.name.to_string(), position, value, classes };
        }
        let at = Place::new(position, indices.len(), of.row_len);
        self.violation(at, value as f64, classes)
    }

    #[cold]
    fn violation(&self, at: Place, value: f64, classes: i64) -> Error {
        let check = &self.check;
        Error::Violation(Box::new(Violation {
            name: format!("`{}`", self.name),
            at,
            value,
            user: check.user.to_owned(),
            takes: check.rule.words(classes),
            help: check.help.to_owned(),
            origin: check.origin.clone(),
            step: None,
        }))
    }
}

/// The first position of an element that is not allowed, of all or of the rows that are used.
fn broken<T: Copy>(elements: &[T], of: Extract<'_>, allows: impl Fn(T) -> bool) -> Option<usize> {
    // Folding without an early end lets the compiler use vectors.
    if elements.iter().fold(true, |right, &element| right & allows(element)) {
        return None;
    }
    let is_broken = |&position: &usize| !allows(elements[position]);
    match (of.rows, of.row_len) {
        (Some(rows), Some(row_len)) => {
            let positions = |row: u32| (row as usize * row_len..).take(row_len);
            rows.iter().flat_map(|&row| positions(row)).filter(is_broken).min()
        }
        _ => (0..elements.len()).find(is_broken),
    }
}
