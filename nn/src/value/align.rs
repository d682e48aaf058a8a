//! Broadcasting and element types: bringing operands to one shape and one type.
//!
//! In: values as the user wrote them. Out: values that primitives accept, or a recorded mistake.
//!
//! An operand with fewer axes gets the missing ones in front. A size that only a run tells may not meet itself in this way:
//! `[batch, 1] - [batch]` would be `[batch, batch]`, every row with every other. Where that is meant it must be written: `expand(y, 0)`.
//!
//! # Decisions
//!
//! - An axis that broadcasting adds may not put a size of a run beside itself: `[batch, 1] - [batch]` is nearly always meant
//!   row by row, and would be silently `[batch, batch]`. Axes that are written, `x - transpose(x)` or `expand(y, 0)`, say that
//!   every pair is meant.

use crate::builder::Value;
use downhill_graph::agreement::shared_run_symbol;
use downhill_graph::dim::{Agreement, Dim};
use downhill_graph::error::Error;
use downhill_graph::graph::Graph;
use downhill_graph::op::Op;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Shape, Type};
use std::sync::Arc;

/// Gives all `values` one element type: literals and sizes follow the tensors beside them. `None` after a mistake or for unknowns.
pub(crate) fn coerce(values: &[&Value]) -> Option<Vec<Value>> {
    let types = values.iter().map(|value| value.ty()).collect::<Option<Vec<Type>>>()?;
    let first = types[0].element;
    let floats = types.iter().any(|ty| ty.element == ElementType::F32);
    if floats && types.iter().all(|ty| ty.element != ElementType::F64) && !values.iter().all(|v| is_held(v)) {
        return None;
    }
    if types.iter().all(|ty| ty.element == first) {
        return Some(values.iter().map(|&value| value.clone()).collect());
    }

    // The first operand with an element type of its own decides.
    let leader = (0..values.len()).find(|&i| !follows(values[i])).unwrap_or(0);
    let element = types[leader].element;
    values
        .iter()
        .zip(&types)
        .map(|(value, ty)| {
            if ty.element == element {
                Some((*value).clone())
            } else {
                follow(value, element, values[leader])
            }
        })
        .collect()
}

/// Whether f32 holds a value that is a literal; a mistake is recorded. (An infinity may be meant.)
fn is_held(value: &Value) -> bool {
    let number = value.node().and_then(|id| {
        value.builder().with_graph(|graph| {
            let Op::Constant(literal) = graph.op(id) else { return None };
            (literal.element == ElementType::F32).then(|| literal.value())
        })
    });
    match number.filter(|number| number.is_finite()).map(|number| check("a number", number, Allowed::Finite))
    {
        Some(Err(error)) => {
            value.builder().error(error);
            false
        }
        _ => true,
    }
}

/// Whether a value has no element type of its own: a literal or a size.
fn follows(value: &Value) -> bool {
    let is_free = |graph: &mut Graph| {
        value.node().is_some_and(|id| matches!(graph.op(id), Op::Constant(_) | Op::DimValue { .. }))
    };
    value.builder().with_graph(is_free)
}

/// `value` as an `element`, where it is a literal or a size.
fn follow(value: &Value, element: ElementType, leader: &Value) -> Option<Value> {
    let builder = value.builder();
    let op = value.node().map(|id| builder.with_graph(|graph| graph.op(id).clone()));
    if let Some(Op::Constant(literal)) = op
        && element != ElementType::Bool
    {
        let number = literal.value();
        if element.is_integer() && (number.fract() != 0.0 || !fits(number, element)) {
            let error = Error::new(format!("`{literal}` is no {element}"));
            let note = format!("{} is {element}", leader.label());
            builder.error(error.note(note).help("convert one of them: `f32(…)`"));
            return None;
        }
        let node = builder.with_graph(|graph| graph.constant(element, number));
        return Some(builder.value(node));
    }

    if let Some(Op::DimValue { dim, .. }) = op
        && element != ElementType::Bool
    {
        return Some(builder.apply(Op::DimValue { dim, element }, &[]));
    }

    let found = value.ty().map(|ty| ty.element).unwrap_or_default();
    let (left, right) = (spoken(leader, "one operand"), spoken(value, "the other"));
    let error = Error::new(format!("{left} is {element} but {right} is {found}"));
    builder.error(error.help(format!("convert one of them: `{element}(…)` or `{found}(…)`")));
    None
}

fn fits(number: f64, element: ElementType) -> bool {
    match element {
        ElementType::I32 => (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number),
        ElementType::U32 => (0.0..=f64::from(u32::MAX)).contains(&number),
        _ => true,
    }
}

/// Broadcasts all `values` to their common shape. `None` after a mistake or for unknowns.
pub(crate) fn stretch_together(values: &[&Value]) -> Option<Vec<Value>> {
    let shapes = values.iter().map(|value| value.shape()).collect::<Option<Vec<Shape>>>()?;
    let builder = values[0].builder();

    let mut common = shapes[0].clone();
    let mut widest = 0;
    for (position, shape) in shapes.iter().enumerate().skip(1) {
        match builder.with_graph(|graph| common_dims(graph, common.dims(), shape.dims())) {
            Ok(dims) => common = Shape(dims),
            Err(from_end) => {
                builder.error(misfit(values[widest], values[position], from_end));
                return None;
            }
        }
        if shape.rank() > shapes[widest].rank() {
            widest = position;
        }
    }

    if let Some(error) = beside_itself(values, &shapes, &common) {
        builder.error(error);
        return None;
    }
    Some(values.iter().map(|value| stretch(value, &common)).collect())
}

/// An operand's axes as they stand in the result that it broadcasts to.
pub(crate) struct Laid {
    /// The size it has there; `None` where it is repeated.
    pub(crate) dims: Vec<Option<Dim>>,
    /// How many axes in front it lacks.
    pub(crate) absent: usize,
}

impl Laid {
    /// Lined up at the last of `rank` axes; an axis of the number 1 is repeated.
    pub(crate) fn new(dims: &[Dim], rank: usize) -> Laid {
        let absent = rank - dims.len();
        let own = dims.iter().map(|dim| (!dim.is(1)).then(|| dim.clone()));
        Laid { dims: std::iter::repeat_n(None, absent).chain(own).collect(), absent }
    }
}

/// A size that broadcasting would put beside itself, as in `[batch, 1] - [batch]`.
pub(crate) struct Paired {
    /// The operand that lacks an axis.
    pub(crate) lacking: usize,
    /// Where it lacks one that another operand has.
    pub(crate) absent: usize,
    /// Where it has one that the other has not.
    pub(crate) own: usize,
    /// The size of both.
    pub(crate) symbol: Arc<str>,
}

/// Finds an operand that would get an axis as long as one of its own for every run, where no operand has both axes.
pub(crate) fn paired(graph: &Graph, operands: &[Laid]) -> Option<Paired> {
    for (lacking, operand) in operands.iter().enumerate() {
        for (absent, (own, dim)) in (0..operand.absent)
            .flat_map(|absent| operand.dims.iter().enumerate().map(move |own| (absent, own)))
        {
            let Some(dim) = dim else { continue };
            let both = |other: &Laid| other.dims[absent].is_some() && other.dims[own].is_some();
            let shared = operands.iter().find_map(|other| {
                shared_run_symbol(dim, other.dims[absent].as_ref()?, &|name| graph.when(name))
            });
            if let Some(symbol) = shared.filter(|_| !operands.iter().any(both)) {
                return Some(Paired { lacking, absent, own, symbol });
            }
        }
    }
    None
}

fn beside_itself(values: &[&Value], shapes: &[Shape], common: &Shape) -> Option<Error> {
    let rank = common.rank();
    if shapes.iter().all(|shape| shape.rank() == rank) {
        return None;
    }
    let laid: Vec<Laid> = shapes.iter().map(|shape| Laid::new(shape.dims(), rank)).collect();
    let found = values[0].builder().with_graph(|graph| paired(graph, &laid))?;
    let other = laid.iter().position(|other| other.dims[found.absent].is_some())?;
    let dims = shapes[found.lacking].dims();
    let after = found.own - laid[found.lacking].absent;
    let name = bare(values[found.lacking]);

    // Ones behind the axis bring it to where the other has its own; ones in front keep it where it is.
    let ones = |at: usize, count: usize| match count {
        1 => format!("expand({name}, {at})"),
        _ => {
            let mut dims = dims.to_vec();
            dims.splice(at..at, std::iter::repeat_n(Dim::from(1), count));
            format!("reshape({name}, {})", Shape(dims))
        }
    };

    let (aligned, every) = (ones(after + 1, found.own - found.absent), ones(0, laid[found.lacking].absent));
    Some(put_beside_itself((values[other], values[found.lacking]), common, &found.symbol).help(format!(
        "`{aligned}` lines them up, as `reshape` of either can; `{every}` says that every pair is meant"
    )))
}

/// The mistake where two operands, the second without an axis of the first, would become `common`.
pub(crate) fn put_beside_itself(operands: (&Value, &Value), common: &Shape, symbol: &str) -> Error {
    let (first, second) = (spoken(operands.0, "one operand"), spoken(operands.1, "the other"));
    let message = format!("{first} and {second} would become {common}, which puts `{symbol}` beside itself");
    Error::new(message).note(both_shapes(operands.0, operands.1))
}

/// A value's name in code that is proposed.
pub(crate) fn bare(value: &Value) -> String {
    spoken(value, "…").trim_matches('`').to_owned()
}

/// The same as a factor: what is written with operators stands in parentheses.
pub(crate) fn factor(value: &Value) -> String {
    let text = bare(value);
    let is_call = text.ends_with(')') && text.find('(').is_some_and(|at| !text[..at].contains(' '));
    if text.contains(' ') && !is_call { format!("({text})") } else { text }
}

/// The shape two operands broadcast to, or the axis (counted from the end, from 1) that does not fit.
pub(crate) fn common_dims(graph: &Graph, a: &[Dim], b: &[Dim]) -> Result<Vec<Dim>, usize> {
    let rank = a.len().max(b.len());
    let from_end = |dims: &[Dim], i: usize| dims.len().checked_sub(i).map(|position| dims[position].clone());
    (1..=rank)
        .rev()
        .map(|i| match (from_end(a, i), from_end(b, i)) {
            (Some(x), Some(y)) => common_dim(graph, x, y).ok_or(i),
            (x, y) => x.or(y).ok_or(i),
        })
        .collect()
}

/// The size two axes broadcast to. Only the number 1 stretches.
fn common_dim(graph: &Graph, a: Dim, b: Dim) -> Option<Dim> {
    if a == b || b.is(1) {
        Some(a)
    } else if a.is(1) {
        Some(b)
    } else {
        // Of two names for one size the number says more.
        graph.agrees(&a, &b).then(|| if b.as_constant().is_some() { b } else { a })
    }
}

/// `value` broadcast to `target`, which [`common_dims`] gave.
pub(crate) fn stretch(value: &Value, target: &Shape) -> Value {
    let Some(shape) = value.shape() else { return value.clone() };
    let (dims, new) = (shape.dims(), target.rank() - shape.rank());
    let stays = |&axis: &usize| !dims[axis].is(1) || target.dims()[new + axis].is(1);
    let kept: Vec<usize> = (0..dims.len()).filter(stays).collect();
    if new == 0 && kept.len() == dims.len() {
        return value.clone();
    }

    let builder = value.builder();
    let narrow = if kept.len() == dims.len() {
        value.clone()
    } else {
        builder.apply(Op::Reshape(Shape(kept.iter().map(|&axis| dims[axis].clone()).collect())), &[value])
    };

    let axes = kept.iter().map(|axis| axis + new).collect();
    builder.apply(Op::Broadcast { shape: target.clone(), axes }, &[&narrow])
}

/// Two operands of which axis `from_end` (from 1, counted from the end) differs.
fn misfit(a: &Value, b: &Value, from_end: usize) -> Error {
    let (x, y) = (a.shape().unwrap_or_default(), b.shape().unwrap_or_default());
    let (m, n) = (&x.dims()[x.rank() - from_end], &y.dims()[y.rank() - from_end]);
    let axis = match from_end {
        _ if x.rank() == y.rank() => format!("axis {}", x.rank() - from_end),
        1 => "the last axis".into(),
        _ => format!("axis -{from_end}"),
    };

    let pair = match (a.label().as_str(), b.label().as_str()) {
        ("this value", "this value") => "these values".to_owned(),
        _ => format!("{} and {}", spoken(a, "the other operand"), spoken(b, "the other operand")),
    };

    let builder = a.builder();
    let certain = builder.with_graph(|graph| graph.compare(m, n)) == Agreement::Unequal;
    let verb = if certain { "do not fit" } else { "may not fit" };
    Error::new(format!("{pair} {verb}: {axis} is {m} in one and {n} in the other"))
        .note(both_shapes(a, b))
        .help(
            lacks_last(a, b)
                .or_else(|| product(a, b))
                .or_else(|| of_pictures(x.rank().min(y.rank()), from_end, m, n))
                .unwrap_or_else(|| misfit_help(m, n)),
        )
}

/// The mend where one is a matrix of parameters, with a row for each column of the other.
fn product(a: &Value, b: &Value) -> Option<String> {
    let is_table = |value: &Value| {
        let node = value.node()?;
        value.builder().with_graph(|graph| matches!(graph.op(node), Op::Storage(_))).then_some(())
    };
    let product = |x: &Value, w: &Value| {
        is_table(w)?;
        let (left, right) = (x.shape()?, w.shape()?);
        let [rows, _] = right.dims() else { return None };
        let fits = left.rank() > 1 && left.dims().last() == Some(rows);
        fits.then(|| format!("`{} @ {}` is the product of matrices", factor(x), factor(w)))
    };
    product(a, b).or_else(|| product(b, a))
}

/// The mend of pictures: what keeps sizes, what makes channels equal.
fn of_pictures(rank: usize, from_end: usize, m: &Dim, n: &Dim) -> Option<String> {
    let (2.., Some(_), Some(_)) = (rank.checked_sub(2)?, m.as_constant(), n.as_constant()) else {
        return None;
    };
    Some(match rank - from_end {
        0 => return None,
        1 => "of pictures, a `conv` with `kernel: 1` gives one as many channels as the other".into(),
        _ => "of pictures, `padding: same` keeps the sizes of a convolution; where one has a `stride`, the other needs it too".into(),
    })
}

fn misfit_help(m: &Dim, n: &Dim) -> String {
    let is_name = |dim: &Dim| dim.symbols().len() == 1 && dim.to_string() == *dim.symbols()[0];
    if m != n && is_name(m) && is_name(n) {
        return format!("`{m}` and `{n}` are two sizes: where they are one, give it one name in both");
    }
    if m.compare(n) == Agreement::Undecided {
        return format!("give both the same size: {m} and {n} agree for some values only");
    }
    "make both sizes the same; only an axis written as the number 1 stretches".into()
}

/// The mend where one operand has the axes of the other but for the last: a mean over the last axis beside what it is the mean of.
fn lacks_last(a: &Value, b: &Value) -> Option<String> {
    let (x, y) = (a.shape()?, b.shape()?);
    let (short, whole, value) = if x.rank() < y.rank() { (x, y, a) } else { (y, x, b) };
    // A number for each channel of pictures lacks several.
    if whole.rank() > short.rank() + 1 && short.rank() > 1 && whole.dims().starts_with(short.dims()) {
        let expanded =
            (short.rank()..whole.rank()).fold(bare(value), |text, axis| format!("expand({text}, {axis})"));
        return Some(format!("axes are lined up at the last: `{expanded}` adds those that are missing"));
    }
    let (_, leading) = whole.dims().split_last()?;
    let mut padded = vec![Dim::from(1); leading.len().checked_sub(short.rank())?];
    padded.extend(short.dims().iter().cloned());
    let fits = value.builder().with_graph(|graph| common_dims(graph, leading, &padded)).is_ok();
    let (name, axis) = (bare(value), short.rank());
    (fits && axis > 0).then(|| {
        format!("axes are lined up at the last: `expand({name}, {axis})` adds one, as `keep: true` keeps one that is folded away")
    })
}

/// `x`: [batch, 2]    `a`: [3, units]
pub(crate) fn both_shapes(a: &Value, b: &Value) -> String {
    let part = |value: &Value, instead: &str| {
        format!("{}: {}", spoken(value, instead), value.shape().unwrap_or_default())
    };
    format!("{}    {}", part(a, "one"), part(b, "the other"))
}

/// The value's name, or `instead` where it has none.
pub(crate) fn spoken(value: &Value, instead: &str) -> String {
    let label = value.label();
    if label.starts_with('`') { label } else { instead.into() }
}

/// Records a mistake where `value` is no float; true when it is one or unknown.
pub(crate) fn require_float(value: &Value, what: &str) -> bool {
    let Some(ty) = value.ty() else { return true };
    if !ty.element.is_float() {
        let error = Error::new(format!("`{what}` needs floats but {} is {ty}", spoken(value, "its operand")));
        let name = spoken(value, "…");
        let indices = match ty.element {
            ElementType::I32 => format!(
                "; class indices become vectors by `embedding({}, classes, width)`",
                name.trim_matches('`')
            ),
            _ => String::new(),
        };
        value.builder().error(error.help(format!("convert it: `f32({})`{indices}", name.trim_matches('`'))));
    }
    ty.element.is_float()
}

/// Position of `axis`, which counts from the end when negative; a mistake is recorded.
pub(crate) fn resolve_axis(value: &Value, axis: i64, rank: usize) -> Option<usize> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    let position = usize::try_from(from_start).ok().filter(|&position| position < rank);
    if position.is_none() {
        let shape = value.shape().unwrap_or_default();
        let error = Error::new(format!("{} has no axis {axis}", spoken(value, "the operand")))
            .note(format!("its shape is {shape}"));
        let range = if rank == 0 {
            "it is a scalar".into()
        } else {
            format!("axes are 0 to {}, or -1 to -{rank} from the end", rank - 1)
        };
        value.builder().error(error.help(range));
    }

    position
}
