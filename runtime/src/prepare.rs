//! A size made ready: everything about a call that its sizes decide, worked out once.
//!
//! In: an entry, the value of each symbol. Out: [`Prepared`]. Calls of a prepared size allocate nothing.

use crate::bind::Given;
use crate::compiled::CompiledEntry;
use crate::error::Error;
use downhill_graph::dim::{Bindings, Dim, Symbol};
use downhill_graph::graph::Graph;
use downhill_graph::op::Op;
use downhill_graph::types::Shape;

/// An entry, ready for one size.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Of the interface's symbols.
    pub(crate) sizes: Vec<i64>,
    /// For each input slot.
    pub(crate) slots: Vec<PreparedSlot>,
    /// For each demand on data: the bound of class indices.
    pub(crate) classes: Vec<i64>,
    /// Rows of a step; `None` where no input has rows.
    pub(crate) batch: Option<usize>,
    /// Which of the entry's variants runs.
    pub(crate) variant: usize,
    /// What that variant's `Context::symbols` is.
    pub(crate) symbols: Vec<i64>,
    /// Where its buffers lie in the arena.
    pub(crate) offsets: Vec<i64>,
    /// How large the arena must be.
    pub(crate) arena_bytes: usize,
    /// Shape and number of elements of each output.
    pub(crate) outputs: Vec<(Vec<usize>, usize)>,
}

/// An input, ready for one size.
#[derive(Debug, Default)]
pub(crate) struct PreparedSlot {
    pub(crate) shape: Vec<usize>,
    /// Number of elements.
    pub(crate) len: usize,
    /// From one row to the next, in bytes.
    pub(crate) row_bytes: i64,
}

impl Prepared {
    /// Works everything out.
    ///
    /// # Errors
    /// Sizes that no memory holds.
    pub(crate) fn new(entry: &CompiledEntry, sizes: &[i64]) -> Result<Prepared, Error> {
        let interface = &entry.interface;
        let bindings = interface.bindings(sizes, &entry.graph.bindings);
        check_bounds(&entry.graph, &bindings)?;
        let slots = interface.slots.iter().map(|slot| {
            let shape = if slot.read { concrete(&slot.shape, &bindings, &slot.name)? } else { Vec::new() };
            let row = shape.iter().skip(1).fold(1_usize, |row, &dim| row.saturating_mul(dim));
            Ok::<_, Error>(PreparedSlot {
                len: elements(&shape, &slot.name)?,
                row_bytes: i64::try_from(row.saturating_mul(4)).unwrap_or(i64::MAX),
                shape,
            })
        });
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        let batch = interface.rows.and_then(|rows| usize::try_from(sizes[rows]).ok());
        let (variant, code) = entry.variant(&bindings);
        let outputs = code.entry.outputs.iter().map(|(purpose, ty)| {
            let shape = concrete(&ty.shape, &bindings, &format!("{purpose:?}"))?;
            let len = elements(&shape, "an output")?;
            Ok((shape, len))
        });
        let outputs = outputs.collect::<Result<Vec<_>, Error>>()?;
        let too_large = || Error::Memory { what: "intermediate values".into(), bytes: usize::MAX };
        let room: f64 = code.entry.arena.sizes.iter().map(|size| estimate(size, &bindings)).sum();
        let layout = (room <= MOST_BYTES)
            .then(|| code.entry.arena.layout(&bindings))
            .flatten()
            .ok_or_else(too_large)?;
        let symbols =
            code.entry.symbols.iter().map(|name| bindings.get(name).copied().unwrap_or(0)).collect();
        Ok(Prepared {
            sizes: sizes.to_vec(),
            slots,
            classes: interface.demands.iter().map(|demand| demand.classes(&bindings)).collect(),
            batch,
            variant,
            symbols,
            offsets: layout.offsets,
            arena_bytes: layout.bytes,
            outputs,
        })
    }

    /// Whether what is given has this size.
    pub(crate) fn fits(&self, entry: &CompiledEntry, given: &[Option<Given>]) -> bool {
        let slots = entry.interface.slots.iter().zip(&self.slots).zip(given);
        slots.filter(|((slot, _), _)| slot.read && slot.is_data()).all(
            |((slot, prepared), given)| match given {
                Some(given) => given.element == slot.element && given.fits(&prepared.shape, prepared.len),
                None => false,
            },
        )
    }

    /// Refuses what has another shape than this size says: axes whose sizes follow from other axes.
    ///
    /// # Errors
    /// The first input that does not fit.
    pub(crate) fn check(&self, entry: &CompiledEntry, given: &[Option<Given>]) -> Result<(), Error> {
        let slots = entry.interface.slots.iter().zip(&self.slots).zip(given);
        for ((slot, prepared), given) in slots.filter(|((slot, _), _)| slot.read && slot.is_data()) {
            if let Some(given) = given.as_ref().filter(|given| !given.fits(&prepared.shape, prepared.len)) {
                return Err(slot.misfit(given, format!("it takes {:?}", prepared.shape)));
            }
        }
        Ok(())
    }
}

/// Refuses sizes under which an axis is shorter than what is cut out of it or than nothing: native code would read and write
/// elsewhere.
fn check_bounds(graph: &Graph, bindings: &Bindings) -> Result<(), Error> {
    for id in graph.ids() {
        concrete(graph.shape(id), bindings, graph.label(id).map_or("a value", |label| label))?;
        let value = |dim: &Dim| dim.evaluate(bindings).unwrap_or(-1);
        match graph.op(id) {
            Op::Slice(ranges) => {
                for (range, dim) in ranges.iter().zip(graph.shape(graph.operand(id, 0)).dims()) {
                    let [start, end, size] = [&range.start, &range.end, dim].map(value);
                    if !(0 <= start && start <= end && end <= size) {
                        return Err(Error::usage(
                            format!("elements {start} to {end} are taken of an axis of {size}"),
                            "0 ≤ start ≤ end ≤ size must hold for the sizes of what is given",
                        ));
                    }
                }
            }
            Op::RandomBits { shape, .. } | Op::Iota { shape, .. }
                if value(&shape.size()) > i64::from(i32::MAX) =>
            {
                return Err(Error::usage(
                    format!("random or counted elements of shape {shape} are more than 2³¹ − 1"),
                    "positions are counted in 31 bits: take smaller batches",
                ));
            }
            Op::Pad(paddings) if paddings.iter().any(|p| value(&p.low) < 0 || value(&p.high) < 0) => {
                return Err(Error::usage(
                    "an axis is padded by less than nothing",
                    "a padding must not be negative for the sizes of what is given",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// More than any process can have; byte counts up to here are exact in a float and far from overflow.
const MOST_BYTES: f64 = (1_u64 << 47) as f64;

/// About how large a dim is, without overflow.
fn estimate(dim: &Dim, bindings: &Bindings) -> f64 {
    let value = |symbol: &Symbol| match symbol {
        Symbol::Named(name) => bindings.get(name).copied().unwrap_or(0) as f64,
        Symbol::Quotient(pair) => estimate(&pair.0, bindings) / estimate(&pair.1, bindings).max(1.0),
    };
    let terms = dim.terms().iter();
    terms.map(|(symbols, coefficient)| *coefficient as f64 * symbols.iter().map(value).product::<f64>()).sum()
}

/// Whether a shape is too large for any process even where every size that is not known is 1.
pub(crate) fn beyond_memory(shape: &Shape) -> bool {
    let smallest: Bindings = shape.size().symbols().into_iter().map(|symbol| (symbol, 1)).collect();
    let size: f64 = shape.dims().iter().map(|dim| estimate(dim, &smallest).max(1.0)).product();
    size * 4.0 > MOST_BYTES
}

/// The sizes of a shape all of whose symbols are known.
pub(crate) fn concrete(shape: &Shape, bindings: &Bindings, name: &str) -> Result<Vec<usize>, Error> {
    let too_large = shape.dims().iter().any(|dim| estimate(dim, bindings) > MOST_BYTES);
    if too_large {
        return Err(Error::Memory { what: format!("`{name}`"), bytes: usize::MAX });
    }
    shape.evaluate(bindings).ok_or_else(|| {
        let symbols: Vec<String> = bindings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        Error::usage(
            format!("`{name}` of shape {shape} has no size under {}", symbols.join(", ")),
            "its axes must be decided by the sizes of the inputs and must not be negative",
        )
    })
}

/// How many elements a shape has.
pub(crate) fn elements(shape: &[usize], name: &str) -> Result<usize, Error> {
    let size = shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim));
    size.filter(|&size| size as f64 * 4.0 <= MOST_BYTES)
        .ok_or_else(|| Error::Memory { what: format!("`{name}`"), bytes: usize::MAX })
}
