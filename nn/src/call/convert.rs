//! Arguments as the kinds that parameters take: forgiving conversions, and refusals with the likely mend.
//!
//! In: an argument as it was written. Out: the same as the kind that a parameter takes, or a refusal.

use super::argument::{Argument, Kind, Parameter};
use super::equation::Equation;
use super::likely::alias;
use crate::builder::{Builder, Value};
use downhill_graph::error::Error;

/// `argument` as what the parameter of `callee` takes; `None` where that is not known yet.
pub(super) fn convert(
    builder: &Builder,
    callee: &str,
    parameter: &Parameter<'_>,
    argument: Argument,
) -> Result<Option<Argument>, Error> {
    let converted = match (parameter.kind, &argument) {
        (Kind::Tensor | Kind::Tensors, _) => argument.as_tensor(builder),
        (Kind::Dim, _) => argument.as_dim().map(Argument::Dim),
        (Kind::Number, _) => argument.as_number(builder).map(Argument::Number),
        (Kind::Integer, _) => argument.as_integer(builder).map(Argument::Integer),
        (Kind::Axes, _) => argument.as_axes(builder).map(Argument::Shape),
        (Kind::Sizes | Kind::Padding, Argument::Shape(_)) => Some(argument.clone()),
        (kind, Argument::Word(word)) if kind.vocabulary().contains(word) => Some(argument.clone()),
        (Kind::Equation, Argument::Text(text)) => {
            Equation::parse(text)?;
            Some(argument.clone())
        }
        (Kind::Sizes | Kind::Padding, _) => argument.as_dim().map(|dim| Argument::Shape(vec![dim])),
        (Kind::Bool, Argument::Bool(_))
        | (Kind::Shape, Argument::Shape(_))
        | (Kind::Initializer, Argument::Initializer(_))
        | (Kind::Any, _) => Some(argument.clone()),
        (Kind::Bool | Kind::Shape | Kind::Initializer | Kind::Word(_) | Kind::Equation, _) => None,
    };
    match converted {
        Some(argument) => Ok(Some(argument)),
        None if argument.is_unknown(builder, parameter.kind) => Ok(None),
        None => {
            let error = Error::new(format!(
                "`{}` of `{callee}` must be {}, but is {}",
                parameter.name,
                parameter.kind.words(),
                argument.words(),
            ));
            Err(match meant(callee, parameter.kind, &argument) {
                Some(help) => error.help(help),
                None => error,
            })
        }
    }
}

/// The number that a value is.
fn number(value: &Value) -> Option<String> {
    let text = value.label();
    let text = text.trim_matches('`');
    text.parse::<f64>().ok().map(|number| number.to_string())
}

/// What is likely meant by an argument of the wrong kind.
fn meant(callee: &str, kind: Kind, argument: &Argument) -> Option<String> {
    match (kind, argument) {
        (Kind::Word(words), Argument::Text(text)) => {
            let word = words.iter().find(|word| ***word == **text)?;
            Some(format!("a word stands without quotes: `{word}`"))
        }
        (Kind::Padding, Argument::Text(text)) => match &**text {
            "same" | "SAME" => Some("a word stands without quotes: `same`".into()),
            "valid" | "VALID" => Some("no padding is `padding: 0`, which need not be said".into()),
            _ => None,
        },
        (Kind::Initializer, Argument::Text(text)) => {
            let word = text.to_lowercase().replace('-', "_");
            Some(format!("call it, without quotes: `{}()`", alias(&word).unwrap_or(&word)))
        }
        (Kind::Initializer, Argument::Number(number)) => Some(format!("write `constant({number:?})`")),
        (Kind::Initializer, Argument::Integer(number)) => Some(format!("write `constant({number})`")),
        (Kind::Tensors, Argument::Shape(_)) => {
            Some(format!("values stand one after another, without brackets: `{callee}(a, b)`"))
        }
        (Kind::Bool, Argument::Dim(dim)) => Some(format!(
            "what comes in has its size by itself: `{callee}(x, {dim})`, unless a flag is meant"
        )),
        (Kind::Bool, Argument::Integer(size)) if *size > 1 => Some(format!(
            "what comes in has its size by itself: `{callee}(x, {size})`, unless a flag is meant"
        )),
        // The shape of what is normalised, in other libraries.
        (Kind::Number, Argument::Shape(_)) if callee.ends_with("norm") => {
            Some(format!("what comes in has its size by itself: `{callee}(x)`"))
        }
        (Kind::Shape | Kind::Sizes | Kind::Padding, Argument::Several(several)) => {
            let numbers: Option<Vec<_>> = several.values.iter().map(number).collect();
            Some(match numbers {
                Some(numbers) => format!("a list stands in brackets: `[{}]`", numbers.join(", ")),
                None => "a list stands in brackets: `[batch, 4]`".into(),
            })
        }
        (Kind::Axes, Argument::Several(_)) => Some("axes are a list: `[0, 1]`".into()),
        (Kind::Equation, Argument::Value(_)) => {
            Some(format!("the equation comes first: `{callee}(\"ij,jk->ik\", a, b)`"))
        }
        (Kind::Dim | Kind::Number | Kind::Integer, Argument::Text(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("a number stands without quotes: `{text}`"))
        }
        (Kind::Dim, Argument::Shape(_)) => Some("one size stands without brackets".into()),
        (Kind::Tensor, Argument::Text(text)) if ["mean", "sum", "none"].contains(&&**text) => {
            Some(format!("an option has its name before it: `reduction: {text}`"))
        }
        (Kind::Bool, Argument::Text(_)) => Some("flags are `true` and `false`".into()),
        (Kind::Bool, Argument::Integer(0 | 1)) => Some("flags are `true` and `false`".into()),
        _ => None,
    }
}
