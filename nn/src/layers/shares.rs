//! Sizes that are divided into equal parts, such as channels into groups.
//!
//! In: a size and a number of parts. Out: the size of a part, or a recorded mistake that says which numbers would do.

use crate::builder::Builder;
use crate::call::bound;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;

/// How messages speak of a division.
pub(super) struct Division<'a> {
    /// The composite that divides.
    pub(super) user: &'a str,
    /// What is divided: "channels".
    pub(super) whole: &'a str,
    /// Into what: "groups".
    pub(super) parts: &'a str,
}

/// The size of one of `parts` equal parts of `whole`; `None` after a mistake. What the arguments decide is checked when they are known.
pub(super) fn share(builder: &Builder, whole: &Dim, parts: &Dim, words: &Division<'_>) -> Option<Dim> {
    let Division { user, whole: all, parts: into } = words;
    let (size, count) = (bound(builder, whole), bound(builder, parts));
    if let Some(count) = count.filter(|&count| count < 1) {
        builder.error(Error::new(format!("`{user}` with {count} {into}")).help("it needs at least 1"));
        return None;
    }

    if let (Some(size), Some(count)) = (size, count)
        && size % count != 0
    {
        let error = Error::new(format!("`{user}` cannot divide {size} {all} into {count} {into}"));
        let near: Vec<String> = divisors_around(size, count).iter().map(i64::to_string).collect();
        let near = near.join(" or ");
        builder.error(error.help(format!("the number of {into} must divide that of {all}: {near}")));
        return None;
    }

    let part = whole.divide(parts);
    if !builder.with_graph(|graph| graph.agrees(&(&part * parts), whole)) {
        let error = Error::new(format!(
            "`{user}` divides {whole} {all} into {parts} {into}, which only a run can tell"
        ));
        builder
            .error(error.help(format!("make the number of {all} an argument of the network, or a number")));
        return None;
    }
    Some(part)
}

/// The divisors of `size` next to `count`, which is none: the one below, and the one above if there is any.
fn divisors_around(size: i64, count: i64) -> Vec<i64> {
    let divides = |&number: &i64| size % number == 0;
    let below = (1..=size.min(count - 1)).rev().find(divides);
    let above = (count + 1..=size).find(divides);
    below.into_iter().chain(above).collect()
}
