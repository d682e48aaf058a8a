//! When the number of a size is told.

use crate::builder::{Builder, Value};
use crate::call::bound;
use downhill_graph::agreement::When;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;

/// What is known of a size.
pub(super) enum Told {
    /// Its number.
    Now(i64),
    /// Nothing yet: the network's arguments tell it when it is built.
    Later,
    /// Nothing: each run brings a number.
    Run,
}

/// What is known of `size`.
pub(super) fn told(builder: &Builder, size: &Dim) -> Told {
    if let Some(number) = bound(builder, size) {
        return Told::Now(number);
    }
    let is_of_run =
        builder.with_graph(|graph| size.symbols().iter().any(|name| graph.when(name) == When::Run));
    if is_of_run { Told::Run } else { Told::Later }
}

/// The number of the size of an axis, `None` while it is not told; refused where only a run tells it.
pub(super) fn number_along(user: &str, x: &Value, size: &Dim) -> Result<Option<i64>, ()> {
    match told(x.builder(), size) {
        Told::Now(number) => Ok(Some(number)),
        Told::Later => Ok(None),
        Told::Run => {
            let error = Error::new(format!("`{user}` along a size of {size}, which only a run can tell"));
            x.builder().error(error.help("make it an argument of the network, or a number"));
            Err(())
        }
    }
}
