//! Queries, keys and values of an attention: whether they fit each other.
//!
//! In: three values, `[…, time, width]`. Out: their shapes, or a recorded mistake.

use crate::builder::Value;
use crate::value::{both_shapes, require_float, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::types::Shape;

/// What an attention is given.
pub(super) struct Roles<'a> {
    pub(super) user: &'static str,
    pub(super) query: &'a Value,
    pub(super) key: &'a Value,
    pub(super) value: &'a Value,
}

impl Roles<'_> {
    /// The three shapes, all of one rank that `allows`; a mistake is recorded.
    pub(super) fn shapes(&self, takes: &str, allows: impl Fn(usize) -> bool) -> Option<[Shape; 3]> {
        let all = [(self.query, "the query"), (self.key, "the key"), (self.value, "the value")];
        for (value, role) in all {
            let shape = value.shape().filter(|_| require_float(value, self.user))?;
            if !allows(shape.rank()) {
                let name = spoken(value, role);
                let error = Error::new(format!("`{}` takes {takes}, but {name} is {shape}", self.user));
                value.builder().error(error.help("`expand` and `reshape` add axes"));
                return None;
            }
        }

        let shapes = [self.query.shape()?, self.key.shape()?, self.value.shape()?];
        let rank = shapes[0].rank();
        for (value, role, shape) in [(self.key, "the key", &shapes[1]), (self.value, "the value", &shapes[2])]
        {
            if shape.rank() != rank {
                let (query, name) = (spoken(self.query, "the query"), spoken(value, role));
                let error = Error::new(format!("{query} has {rank} axes but {name} has {}", shape.rank()));
                let error = error.note(both_shapes(self.query, value));
                value.builder().error(error.help("`expand` adds an axis of size 1"));
                return None;
            }
        }
        Some(shapes)
    }

    /// Whether queries are as wide as keys; a mistake is recorded.
    pub(super) fn same_width(&self, query: &Dim, key: &Dim) -> Option<()> {
        let help = "each query is multiplied with each key: project one of them to the width of the other";
        self.same((self.query, "the query", query), (self.key, "the key", key), "a width of", help)
    }

    /// Whether there are as many keys as values; a mistake is recorded.
    pub(super) fn same_count(&self, key: &Dim, value: &Dim) -> Option<()> {
        let help = "each key has its value: give both the same size in the last axis but one";
        self.same((self.key, "the key", key), (self.value, "the value", value), "a time of", help)
    }

    /// Whether all batches are one, but for those of size 1; a mistake is recorded.
    pub(super) fn same_batch(&self, query: &[Dim], key: &[Dim], value: &[Dim]) -> Option<()> {
        let help = "axes before the last two are equal, or the number 1";
        for ((query, key), value) in query.iter().zip(key).zip(value) {
            if !query.is(1) && !key.is(1) {
                let sides = ((self.query, "the query", query), (self.key, "the key", key));
                self.same(sides.0, sides.1, "a batch of", help)?;
            }
            if !key.is(1) && !value.is(1) {
                let sides = ((self.key, "the key", key), (self.value, "the value", value));
                self.same(sides.0, sides.1, "a batch of", help)?;
            }
        }
        Some(())
    }

    fn same(
        &self,
        (a, its_role, m): (&Value, &str, &Dim),
        (b, other_role, n): (&Value, &str, &Dim),
        what: &str,
        help: &str,
    ) -> Option<()> {
        let builder = a.builder();
        if builder.with_graph(|graph| graph.agrees(m, n)) {
            return Some(());
        }
        let (left, right) = (spoken(a, its_role), spoken(b, other_role));
        let error = Error::new(format!("in `{}` {left} has {what} {m} but {right} of {n}", self.user));
        builder.error(error.note(both_shapes(a, b)).help(help));
        None
    }
}
