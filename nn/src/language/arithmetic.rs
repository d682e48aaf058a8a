//! Operators between values, sizes and numbers.
//!
//! - Sizes and whole numbers give sizes and whole numbers; a quotient of two whole numbers that is not whole is a number, and a
//!   quotient of sizes rounds down.
//! - Numbers with sizes that are known when the network is built give numbers.
//! - Everything else, and every comparison, is arithmetic of the graph.

use crate::builder::{Builder, Value};
use crate::call::Argument;
use crate::value;
use downhill_graph::dim::{Dim, Symbol};
use downhill_graph::error::Error;

/// An operator of the language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `@`: the matrix product over the last two axes.
    MatMul,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Sub => "-",
            Operator::Mul => "*",
            Operator::Div => "/",
            Operator::MatMul => "@",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
        }
    }
}

/// `left operator right`.
pub fn binary(builder: &Builder, operator: Operator, left: &Argument, right: &Argument) -> Argument {
    if let Some(result) =
        sizes(builder, operator, left, right).or_else(|| numbers(builder, operator, left, right))
    {
        return result;
    }

    let (Some(left), Some(right)) = (value(builder, left), value(builder, right)) else {
        return Argument::Unknown;
    };

    Argument::Value(match operator {
        Operator::Add => value::add(left, right),
        Operator::Sub => value::subtract(left, right),
        Operator::Mul => value::multiply(left, right),
        Operator::Div => value::divide(left, right),
        Operator::MatMul => value::matmul(left, right),
        Operator::Less => value::less(left, right),
        Operator::LessEqual => value::less_equal(left, right),
        Operator::Greater => value::greater(left, right),
        Operator::GreaterEqual => value::greater_equal(left, right),
        Operator::Equal => value::equal(left, right),
        Operator::NotEqual => value::not_equal(left, right),
    })
}

/// `-operand`.
pub fn negate(builder: &Builder, operand: &Argument) -> Argument {
    match operand {
        Argument::Integer(number) => whole_number(builder, number.checked_neg()),
        Argument::Number(number) => Argument::Number(-number),
        Argument::Dim(dim) => Argument::Dim(&Dim::from(-1) * dim),
        other => {
            value(builder, other).map_or(Argument::Unknown, |value| Argument::Value(value::negate(value)))
        }
    }
}

/// Whole numbers and sizes.
fn sizes(builder: &Builder, operator: Operator, left: &Argument, right: &Argument) -> Option<Argument> {
    if let (Argument::Integer(a), Argument::Integer(b)) = (left, right) {
        return integers(builder, operator, *a, *b);
    }

    let (a, b) = (plain_size(left)?, plain_size(right)?);
    let dim = match operator {
        Operator::Add => &a + &b,
        Operator::Sub => &a - &b,
        Operator::Mul => &a * &b,
        Operator::Div if b.is(0) => return Some(division_by_zero(builder)),
        Operator::Div => a.divide(&b),
        _ => return None,
    };

    Some(Argument::Dim(dim))
}

fn integers(builder: &Builder, operator: Operator, a: i64, b: i64) -> Option<Argument> {
    let whole = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Sub => a.checked_sub(b),
        Operator::Mul => a.checked_mul(b),
        Operator::Div if b == 0 => return Some(division_by_zero(builder)),
        Operator::Div if a.checked_rem(b).is_none_or(|rest| rest == 0) => a.checked_div(b),
        Operator::Div => return Some(Argument::Number(a as f64 / b as f64)),
        _ => return None,
    };
    Some(whole_number(builder, whole))
}

/// A mistake where there is none.
fn whole_number(builder: &Builder, number: Option<i64>) -> Argument {
    number.map_or_else(
        || {
            builder.error(Error::new("a whole number beyond 64 bits").help("write a number with a point"));
            Argument::Unknown
        },
        Argument::Integer,
    )
}

fn division_by_zero(builder: &Builder) -> Argument {
    builder.error(Error::new("a division by 0"));
    Argument::Unknown
}

fn plain_size(argument: &Argument) -> Option<Dim> {
    match argument {
        Argument::Dim(dim) => Some(dim.clone()),
        Argument::Integer(number) => Some(Dim::from(*number)),
        _ => None,
    }
}

/// Numbers, and sizes that are known when the network is built.
fn numbers(builder: &Builder, operator: Operator, left: &Argument, right: &Argument) -> Option<Argument> {
    let number = |argument: &Argument| match argument {
        Argument::Number(number) => Some(*number),
        Argument::Integer(number) => Some(*number as f64),
        Argument::Dim(dim) => {
            builder.with_graph(|graph| dim.evaluate(&graph.bindings)).ok().map(|number| number as f64)
        }
        _ => None,
    };

    let (a, b) = (number(left)?, number(right)?);
    Some(Argument::Number(match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        _ => return None,
    }))
}

/// `argument` as a tensor: numbers and sizes are scalars. `None` after a mistake.
pub fn value(builder: &Builder, argument: &Argument) -> Option<Value> {
    match argument {
        Argument::Value(value) => Some(value.clone()),
        Argument::Number(number) => Some(builder.constant(*number)),
        Argument::Integer(number) => Some(builder.constant(*number as f64)),
        Argument::Dim(dim) => {
            let symbols = || dim.terms().flat_map(|(symbols, _)| symbols);
            if symbols().any(|symbol| matches!(symbol, Symbol::Quotient(_))) {
                let error =
                    Error::new(format!("the size `{dim}` is rounded down, which a formula rarely means"));
                builder.error(error.help("make one side a number with a point, as in `1.0 / width`"));
                return None;
            }
            Some(value::dim_value(builder, dim))
        }
        Argument::Unknown => Some(builder.unknown()),
        Argument::Bool(_) | Argument::Shape(_) | Argument::Initializer(_) => {
            let what = match argument {
                Argument::Bool(_) => "`true` or `false`",
                Argument::Shape(_) => "a list of sizes",
                _ => "an initialiser",
            };
            builder.error(Error::new(format!("{what} stands where a tensor is needed")));
            None
        }
    }
}

/// As [`value()`]; the unknown value after a mistake.
pub fn tensor(builder: &Builder, argument: &Argument) -> Value {
    value(builder, argument).unwrap_or_else(|| builder.unknown())
}

/// `argument` as a size; `None` after a mistake or where it is unknown.
pub fn dim(builder: &Builder, argument: &Argument) -> Option<Dim> {
    let what = match argument {
        Argument::Dim(dim) => return Some(dim.clone()),
        Argument::Integer(number) => return Some(Dim::from(*number)),
        Argument::Unknown => return None,
        Argument::Value(value) if value.node().is_none() => return None,
        Argument::Value(value) => value.label(),
        Argument::Number(number) => format!("`{number}`"),
        Argument::Bool(flag) => format!("`{flag}`"),
        Argument::Shape(_) => "a list".into(),
        Argument::Initializer(_) => "an initialiser".into(),
    };

    builder.error(
        Error::new(format!("{what} is no size"))
            .help("sizes are whole numbers, arguments, axes' names and their sums and products"),
    );
    None
}

/// `[a, b, …]`: a list of sizes.
pub fn list(builder: &Builder, parts: &[Argument]) -> Argument {
    let unknown = parts.iter().any(|part| matches!(part, Argument::Unknown));
    let dims: Option<Vec<Dim>> = parts.iter().map(|part| dim(builder, part)).collect();
    match dims {
        Some(dims) if !unknown => Argument::Shape(dims),
        _ => Argument::Unknown,
    }
}
