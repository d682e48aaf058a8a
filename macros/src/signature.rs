//! What the head of a layer says, sorted: which axes bring new sizes by name, which must equal a known size.
//!
//! Read alike by the check and the expansion, so that both bind the same names in the same order.

use crate::syntax::{Choice, Expression, ExpressionKind, Layer};
use quote::ToTokens;
use syn::Ident;

/// An axis of a layer's tensor argument.
pub(crate) enum Axis<'a> {
    /// The first mention of a size: it gets this name.
    Binds(&'a Ident),
    /// Must equal this.
    Equals(&'a Expression),
}

/// For each argument (by position) with a type, its axes.
pub(crate) fn axes(layer: &Layer) -> Vec<(usize, Vec<Axis<'_>>)> {
    let mut known: Vec<String> = layer.arguments.iter().map(|argument| argument.name.to_string()).collect();
    let typed = layer
        .arguments
        .iter()
        .enumerate()
        .filter_map(|(position, argument)| Some((position, argument.ty.as_ref()?)));

    typed
        .map(|(position, ty)| {
            let axes = ty.dims.iter().map(|dim| match &dim.kind {
                ExpressionKind::Name(name) if !known.contains(&name.to_string()) => {
                    known.push(name.to_string());
                    Axis::Binds(name)
                }
                _ => Axis::Equals(dim),
            });
            (position, axes.collect())
        })
        .collect()
}

/// An expression as it is written, for messages.
pub(crate) fn written(expression: &Expression) -> String {
    match &expression.kind {
        ExpressionKind::Integer(number) => number.to_string(),
        ExpressionKind::Number(number) => format!("{number:?}"),
        ExpressionKind::Bool(flag) => flag.to_string(),
        ExpressionKind::Text(text) => format!("{text:?}"),
        ExpressionKind::Name(name) => name.to_string(),
        ExpressionKind::Parameter(path) => path.join("."),
        ExpressionKind::Negate(operand) => format!("-{}", within(operand)),
        ExpressionKind::Not(operand) => format!("!{}", within(operand)),
        ExpressionKind::Logical(connective, left, right) => {
            format!("{} {} {}", within(left), connective.symbol(), within(right))
        }
        ExpressionKind::If(choice) => {
            let Choice { condition, then, otherwise } = &**choice;
            let (condition, then) = (written(condition), written(then));
            match otherwise.kind {
                ExpressionKind::If(_) => format!("if {condition} {{ {then} }} else {}", written(otherwise)),
                _ => format!("if {condition} {{ {then} }} else {{ {} }}", written(otherwise)),
            }
        }
        ExpressionKind::Binary(operator, left, right) => {
            format!("{} {} {}", within(left), operator.symbol(), within(right))
        }
        ExpressionKind::Call { function, .. } => format!("{function}(…)"),
        ExpressionKind::PathCall { path, .. } => {
            format!("{}(…)", path.to_token_stream().to_string().replace(' ', ""))
        }
        ExpressionKind::Shape(dims) => format!("[{}]", list(dims)),
        ExpressionKind::Whatever => "_".into(),
        ExpressionKind::Rust(_) => "{ … }".into(),
    }
}

fn within(operand: &Expression) -> String {
    match operand.kind {
        ExpressionKind::Binary(..) | ExpressionKind::Logical(..) => format!("({})", written(operand)),
        _ => written(operand),
    }
}

/// `a, b, c`.
pub(crate) fn list(expressions: &[Expression]) -> String {
    expressions.iter().map(written).collect::<Vec<_>>().join(", ")
}
