//! `scan`: a loop over the slices of tensors, which carries values from iteration to iteration.

use super::align::{resolve_axis, spoken};
use super::movement::transpose_by;
use crate::builder::{Builder, Value};
use crate::looped::Loop;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::NodeId;
use downhill_graph::types::{Shape, Type};

/// What a loop runs over, and what it carries.
#[derive(Clone, Default)]
pub struct Scan<'a> {
    /// What each iteration is given a slice of; one or more, of the same length.
    pub slices: Vec<Slices<'a>>,
    /// Names, and values before the first iteration.
    pub carried: Vec<(&'a str, Value)>,
    /// From the last slice to the first.
    pub reverse: bool,
    /// Whether gradients compute what an iteration makes anew, instead of keeping it: what each iteration began with is kept alone. A step
    /// takes less memory and more time, and its results stay what they are but for rounding.
    pub recompute: bool,
}

/// The slices of a tensor along an axis.
#[derive(Clone)]
pub struct Slices<'a> {
    /// What messages call a slice.
    pub name: &'a str,
    /// The tensor.
    pub of: Value,
    /// Along which axis; negative ones count from the end.
    pub axis: i64,
}

/// What an iteration gives.
#[derive(Clone, Default)]
pub struct Iteration {
    /// What is carried to the next one, in the order of [`Scan::carried`].
    pub next: Vec<Value>,
    /// What is stacked.
    pub yields: Vec<Value>,
}

/// What a loop gives.
#[derive(Clone, Default)]
pub struct Scanned {
    /// What each iteration yielded, stacked.
    pub yields: Vec<Value>,
    /// What the last iteration carried on; the initial values where there was none.
    pub last: Vec<Value>,
}

/// Runs `body` once for each slice of `over.slices`, one after the other. `body` is given the slices, without the axis along which they
/// were taken, and the carried values, and may use any value from outside. It is written down once, whatever the number of iterations.
///
/// What is the same in every iteration is computed once. Random numbers, as `dropout` draws them, are others in each iteration. A layer
/// called in the body has one set of parameters for all iterations.
///
/// # Shapes
/// What is carried keeps its type. What is yielded, `[batch, units]`, is stacked along the axis along which the first tensor was sliced:
/// `[batch, time, units]` for axis 1, or as its last axis where it has fewer. Element t belongs to slice t, in reverse, too.
///
/// # Errors
/// No slices, slices of different lengths, a carried value whose next has another type or shape, a body that carries and yields
/// nothing, an update of a state or a declaration of an input, output or loss in the body, a use of its values outside of it.
///
/// # Examples
/// ```
/// use downhill_graph::{dim::Dim, types::ElementType};
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::{Iteration, Scan, Slices, scan};
///
/// // Sums so far, along the last axis.
/// let b = Builder::new(Mode::Train);
/// let x = b.input("x", ElementType::F32, [Dim::symbol("time")]);
/// let slices = vec![Slices { name: "step", of: x, axis: 0 }];
/// let over = Scan { slices, carried: vec![("sum", b.constant(0.0))], ..Scan::default() };
/// let sums = scan(&b, over, |step, sum| {
///     let next = &sum[0] + &step[0];
///     Iteration { yields: vec![next.clone()], next: vec![next] }
/// });
/// assert_eq!(sums.yields[0].ty().map(|ty| ty.to_string()).as_deref(), Some("f32[time]"));
/// assert!(b.finish().is_ok());
/// ```
pub fn scan(
    builder: &Builder,
    over: Scan<'_>,
    body: impl FnOnce(&[Value], &[Value]) -> Iteration,
) -> Scanned {
    let sliced = Sliced::of(builder, &over);
    builder.enter_body();
    // In the order of a loop's operands.
    let carried: Vec<Value> =
        over.carried.iter().map(|(name, initial)| carried(builder, name, initial)).collect();
    let slices: Vec<Value> = sliced.each(builder, &over);
    let Iteration { next, yields } = body(&slices, &carried);

    let fits = continues(builder, &over, &next, yields.len());
    let of = if fits { sliced.around(&over, &next, &yields) } else { None };
    let mut results = builder.leave_body(of.as_ref());
    if results.is_empty() {
        results = vec![builder.unknown(); over.carried.len() + yields.len()];
    }

    let stacked = results.split_off(over.carried.len());
    Scanned { yields: stacked.into_iter().map(|value| sliced.back(value)).collect(), last: results }
}

/// What is sliced, along axis 0; nothing where it is unknown.
struct Sliced {
    wholes: Option<Vec<Value>>,
    length: Option<Dim>,
    /// Along which axis the first one was sliced.
    axis: usize,
}

impl Sliced {
    fn of(builder: &Builder, over: &Scan<'_>) -> Sliced {
        let mut sliced = Sliced { wholes: Some(Vec::new()), length: None, axis: 0 };
        if over.slices.is_empty() {
            let error = Error::new("a `scan` over nothing")
                .help("name what it takes slices of: `scan step in x along time`");
            builder.error(error);
            sliced.wholes = None;
        }

        for (position, slices) in over.slices.iter().enumerate() {
            let laid = sliced.lay(builder, over, slices, position == 0);
            sliced.wholes = sliced.wholes.zip(laid).map(|(mut wholes, whole)| {
                wholes.push(whole);
                wholes
            });
        }
        sliced
    }

    /// A tensor with the axis of its slices in front.
    fn lay(
        &mut self,
        builder: &Builder,
        over: &Scan<'_>,
        slices: &Slices<'_>,
        is_first: bool,
    ) -> Option<Value> {
        let shape = slices.of.shape()?;
        let axis = resolve_axis(&slices.of, slices.axis, shape.rank())?;
        let own = shape.dims()[axis].clone();
        if is_first {
            self.axis = axis;
        }

        let length = self.length.get_or_insert_with(|| own.clone());
        if !builder.with_graph(|graph| graph.agrees(length, &own)) {
            let first = &over.slices[0].of;
            let (a, b) = (spoken(first, "the first tensor"), spoken(&slices.of, "another"));
            builder.error(
                Error::new(format!("{a} has {length} slices but {b} has {own}"))
                    .note(super::align::both_shapes(first, &slices.of))
                    .help("tensors that a `scan` runs over have the same length along their axes"),
            );
            return None;
        }

        let order: Vec<i64> =
            std::iter::once(axis).chain((0..shape.rank()).filter(|&i| i != axis)).map(|i| i as i64).collect();
        Some(if axis == 0 { slices.of.clone() } else { transpose_by(&slices.of, &order) })
    }

    /// The placeholders of an iteration's slices.
    fn each(&self, builder: &Builder, over: &Scan<'_>) -> Vec<Value> {
        let Some(wholes) = &self.wholes else { return vec![builder.unknown(); over.slices.len()] };
        let slice = |(whole, slices): (&Value, &Slices<'_>)| match whole.ty() {
            Some(ty) => {
                let ty = Type::new(ty.element, Shape(ty.shape.dims()[1..].to_vec()));
                builder.placeholder(slices.name, ty, whole.node())
            }
            None => builder.unknown(),
        };
        wholes.iter().zip(&over.slices).map(slice).collect()
    }

    /// The loop, where all of it is known.
    fn around(&self, over: &Scan<'_>, next: &[Value], yields: &[Value]) -> Option<Loop> {
        let nodes = |values: &mut dyn Iterator<Item = &Value>| {
            values.map(Value::node).collect::<Option<Vec<NodeId>>>()
        };
        let initial = nodes(&mut over.carried.iter().map(|(_, initial)| initial))?;
        let sliced = nodes(&mut self.wholes.as_ref()?.iter())?;
        let results = nodes(&mut next.iter().chain(yields))?;
        let carried = over.carried.iter().enumerate().map(|(n, (name, _))| format!("{name}.{n}").into());
        let names = carried.chain((0..yields.len()).map(|n| format!("yield.{n}").into()));
        let (length, results) = (self.length.clone()?, names.zip(results).collect());
        let (reversed, recompute) = (over.reverse, over.recompute);
        Some(Loop { initial, sliced, length, reversed, recompute, results })
    }

    /// What was stacked along axis 0, along the axis of the slices.
    fn back(&self, stacked: Value) -> Value {
        let Some(rank) = stacked.shape().map(|shape| shape.rank()) else { return stacked };
        let axis = self.axis.min(rank - 1);
        if axis == 0 {
            return stacked;
        }
        let order: Vec<i64> = (1..=axis).chain([0]).chain(axis + 1..rank).map(|i| i as i64).collect();
        transpose_by(stacked, &order)
    }
}

/// The placeholder of a carried value.
fn carried(builder: &Builder, name: &str, initial: &Value) -> Value {
    match initial.ty() {
        Some(ty) => builder.placeholder(name, ty, None),
        None => builder.unknown(),
    }
}

/// Whether an iteration gives what the next one takes.
fn continues(builder: &Builder, over: &Scan<'_>, next: &[Value], yields: usize) -> bool {
    if next.len() != over.carried.len() {
        let error = Error::new(format!(
            "the body of a `scan` gives {} next values for {} carried ones",
            next.len(),
            over.carried.len()
        ));
        builder.error(error.help("give one for each, in their order"));
        return false;
    }
    if next.is_empty() && yields == 0 {
        let error = Error::new("the body of a `scan` yields nothing and carries nothing");
        builder.error(error.help("end it with what each iteration gives: `yield h`"));
        return false;
    }

    let pairs = over.carried.iter().zip(next);
    pairs.fold(true, |fits, ((name, initial), next)| keeps_type(builder, name, initial, next) && fits)
}

fn keeps_type(builder: &Builder, name: &str, initial: &Value, next: &Value) -> bool {
    let (Some(old), Some(new)) = (initial.ty(), next.ty()) else { return true };
    let mut dims = old.shape.dims().iter().zip(new.shape.dims());
    let agree = builder.with_graph(|graph| dims.all(|(a, b)| graph.agrees(a, b)));
    if old.element == new.element && old.rank() == new.rank() && agree {
        return true;
    }

    let error = Error::new(format!("`{name}` is carried as {old}, but its next value is {new}"));
    let origin = next.node().map(|node| builder.with_graph(|graph| graph.origin(node).clone()));
    let error = error.at(origin.unwrap_or_default());
    builder.error(if old.element == new.element {
        error.help(format!(
            "start with that shape, `{name} = zeros({})`, or make the next value like the first",
            new.shape
        ))
    } else {
        error.help(format!("convert it: `{}(…)`", old.element))
    });
    false
}
