//! Penalties on parameters that are chosen by their names.

use crate::builder::{Builder, Value};
use crate::value::{absolutes, multiply, squares};
use downhill_graph::error::Error;
use downhill_graph::graph::StorageKind;
use downhill_graph::op::Op;
use downhill_graph::option::{Allowed, check};

/// `l1`·Σ|w| + `l2`·Σw² over the parameters of which `chosen` holds: to be added to a loss. Both together are the elastic net of Zou and
/// Hastie (2005). PyTorch's `weight_decay` is an `l2` of half of it. Names are those of [`Builder::storage_names`], such as `h.weight`; a
/// parameter that is declared later is not among them.
///
/// A single parameter needs no function: `loss squared_error(p, y) + 1e-4 * squares(h.weight)`.
///
/// # Errors
/// An `l1` or `l2` below 0, and a choice of no parameter, are mistakes of the declaration.
///
/// # Examples
/// ```
/// use downhill_graph::types::ElementType;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::composite::{Linear, linear, penalty, squared_error};
///
/// let b = Builder::new(Mode::Train);
/// let x = b.input("x", ElementType::F32, [4, 3]);
/// let y = b.target("y", ElementType::F32, [4, 1]);
/// let p = b.scope("p", || linear(&x, 1, Linear::default()));
/// let shrinks = penalty(&b, 0.0, 1e-4, |name| name.ends_with(".weight"));
/// b.loss("loss", &(squared_error(&p, &y) + shrinks), None);
/// assert!(b.finish().is_ok());
/// ```
///
/// In `network!` it is called in a function of one's own, by its path: `loss squared_error(p, y) + self::shrinks(p);` with
/// `fn shrinks(p: &Value) -> Value { penalty(p.builder(), 0.0, 1e-4, |name| name.ends_with(".weight")) }`.
pub fn penalty(builder: &Builder, l1: f64, l2: f64, chosen: impl Fn(&str) -> bool) -> Value {
    let checked = check("`penalty` with an l1", l1, Allowed::FromZero).and(check(
        "`penalty` with an l2",
        l2,
        Allowed::FromZero,
    ));
    if let Err(error) = checked {
        return builder.fail(error);
    }

    let names = builder.storage_names();
    let parameters: Vec<usize> = builder.with_graph(|graph| {
        let is_parameter = |index: &usize| graph.storages[*index].kind == StorageKind::Parameter;
        (0..names.len()).filter(is_parameter).collect()
    });
    let terms = parameters.iter().filter(|index| chosen(&names[**index])).map(|&index| {
        let node = builder.with_graph(|graph| graph.add(Op::Storage(index), &[]));
        let w = builder.value(node);
        multiply(absolutes(&w), l1) + multiply(squares(&w), l2)
    });
    terms.reduce(|sum, term| sum + term).unwrap_or_else(|| {
        let there: Vec<String> = parameters.iter().map(|&index| format!("`{}`", names[index])).collect();
        let error = Error::new("`penalty` is on no parameter");
        builder.fail(match there.is_empty() {
            true => error.help("declare it behind the parameters that it is on"),
            false => {
                error.note(format!("there are {}", there.join(", "))).help("choose one of them by its name")
            }
        })
    })
}
