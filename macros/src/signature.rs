//! What the head of a layer says, sorted: which axes bring new sizes by name, which must equal a known size.
//!
//! Read alike by the check and the expansion, so that both bind the same names in the same order.

use crate::syntax::{
    Arguments, Choice, Expression, ExpressionKind, Layer, Statement, StatementKind, TensorType,
};
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

/// Names with the types that a head or an input gives them.
pub(crate) type Typed<'a> = Vec<(&'a Ident, &'a TensorType)>;

/// The names of a layer's head.
pub(crate) fn typed(layer: &Layer) -> Typed<'_> {
    layer.arguments.iter().filter_map(|argument| Some((&argument.name, argument.ty.as_ref()?))).collect()
}

/// The inputs of a network.
pub(crate) fn typed_inputs(statements: &[Statement]) -> Typed<'_> {
    let typed = |statement| match statement {
        &Statement { kind: StatementKind::Input { ref name, ref ty, .. }, .. } => Some((name, ty)),
        _ => None,
    };
    statements.iter().filter_map(typed).collect()
}

/// The axis that a name was declared with under a size: equal sizes do not matter then.
pub(crate) fn axis_called(typed: &Typed<'_>, of: &Expression, size: &Ident) -> Option<usize> {
    let ExpressionKind::Name(name) = &of.kind else { return None };
    let (_, ty) = typed.iter().find(|(known, _)| *known == name)?;
    let is_it = |dim: &Expression| matches!(&dim.kind, ExpressionKind::Name(dim) if dim == size);
    ty.dims.iter().position(is_it)
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
        ExpressionKind::Tuple(parts) => format!("({})", list(parts)),
        ExpressionKind::Scan(_) => "scan …".into(),
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

/// An expression as it is written, if that is short.
pub(crate) fn spelled(expression: &Expression) -> String {
    let short = |text: String, or: String| if text.chars().count() <= 40 { text } else { or };
    match &expression.kind {
        ExpressionKind::Call { function, arguments } => {
            short(format!("{function}({})", given(arguments)), format!("{function}(…)"))
        }
        _ => written(expression),
    }
}

/// Arguments as they are written.
fn given(arguments: &Arguments) -> String {
    let named = arguments.named.iter().map(|(name, value)| format!("{name}: {}", spelled(value)));
    arguments.positional.iter().map(spelled).chain(named).collect::<Vec<_>>().join(", ")
}

/// `a, b, c`.
pub(crate) fn list(expressions: &[Expression]) -> String {
    expressions.iter().map(written).collect::<Vec<_>>().join(", ")
}
