//! Operators between values, sizes and numbers.
//!
//! - Sizes and whole numbers give sizes and whole numbers; a quotient of two whole numbers that is not whole is a number, and a
//!   quotient of sizes rounds down.
//! - Numbers with sizes that are known when the network is built give numbers.
//! - Comparisons of all of these are flags, true or false when the network is built; so are those of flags.
//! - Everything else is arithmetic of the graph, where a flag is a scalar mask.

use crate::builder::{Builder, Value};
use crate::call::Argument;
use crate::value;
use downhill_graph::dim::{Agreement, Dim, Symbol, Undefined};
use downhill_graph::error::Error;
use std::cmp::Ordering;

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

    /// Whether what is ordered so fulfils this comparison; `None` for what is no comparison. Without an order both are not equal.
    fn holds(self, ordering: Option<Ordering>) -> Option<bool> {
        match self {
            Operator::Less => Some(ordering == Some(Ordering::Less)),
            Operator::LessEqual => Some(matches!(ordering, Some(Ordering::Less | Ordering::Equal))),
            Operator::Greater => Some(ordering == Some(Ordering::Greater)),
            Operator::GreaterEqual => Some(matches!(ordering, Some(Ordering::Greater | Ordering::Equal))),
            Operator::Equal => Some(ordering == Some(Ordering::Equal)),
            Operator::NotEqual => Some(ordering != Some(Ordering::Equal)),
            Operator::Add | Operator::Sub | Operator::Mul | Operator::Div | Operator::MatMul => None,
        }
    }

    /// Whether it says that both are the same, or that they are not.
    pub fn equates(self) -> bool {
        matches!(self, Operator::Equal | Operator::NotEqual)
    }

    /// Whether it compares.
    pub fn compares(self) -> bool {
        self.holds(None).is_some()
    }
}

/// `left operator right`.
pub fn binary(builder: &Builder, operator: Operator, left: &Argument, right: &Argument) -> Argument {
    if operator.compares() && [left, right].into_iter().any(|side| is_no_number(builder, side)) {
        return Argument::Unknown;
    }
    if let Some(flag) = compare(builder, operator, left, right) {
        return Argument::Bool(flag);
    }
    if let Some(result) =
        sizes(builder, operator, left, right).or_else(|| numbers(builder, operator, left, right))
    {
        return result;
    }

    if [left, right].into_iter().any(|side| matches!(side, Argument::Bool(_))) {
        return flag_refused(builder, operator.symbol());
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

/// Whether a comparison of numbers, sizes or flags holds; `None` where that is not known, and for everything else.
pub fn compare(builder: &Builder, operator: Operator, left: &Argument, right: &Argument) -> Option<bool> {
    if let (Argument::Bool(left), Argument::Bool(right)) = (left, right) {
        return operator.equates().then_some((left == right) == (operator == Operator::Equal));
    }

    if let (Some(left), Some(right)) = (plain_size(left), plain_size(right)) {
        let number = |dim: &Dim| builder.with_graph(|graph| dim.evaluate(&graph.bindings)).ok();
        if let (Some(left), Some(right)) = (number(&left), number(&right)) {
            return operator.holds(Some(left.cmp(&right)));
        }

        // Sizes may be the same, or differ, whatever their numbers are.
        return match builder.with_graph(|graph| graph.compare(&left, &right)) {
            Agreement::Equal => operator.holds(Some(Ordering::Equal)),
            Agreement::Unequal => operator.equates().then_some(operator == Operator::NotEqual),
            Agreement::Undecided => None,
        };
    }

    let (left, right) = (number(builder, left)?, number(builder, right)?);
    operator.holds(left.partial_cmp(&right))
}

/// Whether a size is undefined for the network's arguments, which is told.
fn is_no_number(builder: &Builder, argument: &Argument) -> bool {
    let Argument::Dim(dim) = argument else { return false };
    match builder.with_graph(|graph| dim.evaluate(&graph.bindings)) {
        Ok(_) | Err(Undefined::Unbound(_)) => false,
        Err(reason) => {
            builder.error(Error::new(format!("`{dim}` is no size: {reason}")));
            true
        }
    }
}

/// `-operand`.
pub fn negate(builder: &Builder, operand: &Argument) -> Argument {
    match operand {
        Argument::Integer(number) => whole_number(builder, number.checked_neg()),
        Argument::Number(number) => Argument::Number(-number),
        Argument::Dim(dim) => Argument::Dim(&Dim::from(-1) * dim),
        Argument::Bool(_) => flag_refused(builder, "-"),
        other => {
            value(builder, other).map_or(Argument::Unknown, |value| Argument::Value(value::negate(value)))
        }
    }
}

fn flag_refused(builder: &Builder, operator: &str) -> Argument {
    let error = Error::new(format!("`{operator}` computes with numbers, but one is `true` or `false`"));
    builder.error(error.help("choose one: `if flag { 1.0 } else { 0.0 }`"));
    Argument::Unknown
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
    let (a, b) = (number(builder, left)?, number(builder, right)?);
    Some(Argument::Number(match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        _ => return None,
    }))
}

fn number(builder: &Builder, argument: &Argument) -> Option<f64> {
    match argument {
        Argument::Number(number) => Some(*number),
        Argument::Integer(number) => Some(*number as f64),
        Argument::Dim(dim) => {
            builder.with_graph(|graph| dim.evaluate(&graph.bindings)).ok().map(|number| number as f64)
        }
        _ => None,
    }
}

/// `argument` as a tensor: numbers, sizes and flags are scalars. `None` after a mistake.
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
        Argument::Bool(flag) => Some(builder.flag(*flag)),
        Argument::Several(several) => {
            let value = several.alone().cloned();
            if value.is_none() {
                let error = Error::new(format!("{} stand where one is needed", argument.words()));
                builder.error(error.help("name each: `let (a, b) = …;`"));
            }
            value
        }
        Argument::Shape(_) | Argument::Initializer(_) | Argument::Word(_) | Argument::Text(_) => {
            let what = match argument {
                Argument::Shape(_) => "a list of sizes".into(),
                other => other.words(),
            };
            let error = Error::new(format!("{what} stands where a tensor is needed"));
            builder.error(match argument {
                Argument::Text(text) if text.parse::<f64>().is_ok() => {
                    error.help(format!("a number stands without quotes: `{text}`"))
                }
                Argument::Text(_) => error.help("text in quotes is for equations, as `einsum` takes them"),
                Argument::Shape(_) => error
                    .help("a tensor of one number is `full([4], 0.5)`, of several `stack(1.0, 2.0, 4.0)`"),
                _ => error,
            });
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
        Argument::Number(number) => format!("`{number:?}`"),
        Argument::Bool(flag) => format!("`{flag}`"),
        Argument::Shape(_) => "a list".into(),
        Argument::Initializer(_) => "an initialiser".into(),
        Argument::Word(_) | Argument::Text(_) | Argument::Several(_) => argument.words(),
    };

    builder.error(Error::new(format!("{what} is no size")).help(match argument {
        Argument::Number(_) => {
            "sizes are whole numbers; a tensor of one number is `full([4], 0.5)`, of several `stack(1.0, 2.0, 4.0)`"
        }
        Argument::Value(_) => {
            "sizes are whole numbers, arguments, axes' names and their sums and products; values are joined by `stack` and `concatenate`"
        }
        _ => "sizes are whole numbers, arguments, axes' names and their sums and products",
    }));
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
