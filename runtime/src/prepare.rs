//! A prepared size: everything about a call that depends on its sizes, computed once.
//!
//! In: an entry, one of its variants, the value of each symbol. Out: [`Prepared`]. Calls of a prepared size allocate nothing.

use crate::compiled::{CompiledEntry, Variant};
use crate::error::Error;
use crate::given::Given;
use crate::outputs::name_of;
use downhill_graph::sizes::{MOST_BYTES, check, concrete};
use std::sync::{Arc, Weak};

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
    /// The variant that it was prepared for: it may make way while the model runs other sizes.
    pub(crate) code: Weak<Variant>,
    /// Calls that may still come, this one included, before the size asks for code of its own; 0 where it does not.
    pub(crate) calls_left: u32,
    /// What that variant's `Context::numbers` is.
    pub(crate) numbers: Vec<i64>,
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
    /// Computes all of it: no native code runs before every size that it depends on is known to be valid.
    ///
    /// # Errors
    /// Sizes that have no value, are negative, or that no memory holds; elements that are taken from outside of an axis.
    pub(crate) fn new(entry: &CompiledEntry, code: &Arc<Variant>, sizes: &[i64]) -> Result<Prepared, Error> {
        let interface = &entry.interface;
        let bindings = interface.bindings(sizes, &entry.graph().bindings);
        check(entry.graph(), &bindings).map_err(Error::Sizes)?;
        let slots = interface.slots.iter().map(|slot| {
            if !slot.read {
                return Ok(PreparedSlot::default());
            }
            let shape =
                concrete(&format!("`{}`", slot.name), &slot.shape, &bindings).map_err(Error::Sizes)?;
            // `concrete` has found that the elements fit in memory. Of a tensor without elements, rows may have any size.
            let row = shape.iter().skip(1).fold(1_usize, |row, &size| row.saturating_mul(size));
            Ok::<_, Error>(PreparedSlot {
                len: elements(&shape),
                row_bytes: i64::try_from(row).unwrap_or(i64::MAX).saturating_mul(slot.element.bytes() as i64),
                shape,
            })
        });
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        let batch = interface.rows.and_then(|rows| usize::try_from(sizes[rows]).ok());
        let outputs = code.entry.outputs.iter().map(|(purpose, ty)| {
            let name = format!("`{}`", name_of(purpose));
            let shape = concrete(&name, &ty.shape, &bindings).map_err(Error::Sizes)?;
            let len = elements(&shape);
            Ok((shape, len))
        });
        let outputs = outputs.collect::<Result<Vec<_>, Error>>()?;
        let too_large = || Error::Memory { what: "intermediate values".into(), bytes: usize::MAX };
        let layout = code.entry.arena.layout(&bindings).ok_or_else(too_large)?;
        let layout = Some(layout).filter(|it| it.bytes as i64 <= MOST_BYTES).ok_or_else(too_large)?;
        let numbers = code.entry.numbers.iter().map(|number| number.at(&bindings));
        // Shapes are in order, so that only a product of sizes of several values can be beyond 64 bits.
        let numbers = numbers.collect::<Result<_, _>>().map_err(|_| too_large())?;
        Ok(Prepared {
            sizes: sizes.to_vec(),
            slots,
            classes: interface.demands.iter().map(|demand| demand.classes(&bindings)).collect(),
            batch,
            code: Arc::downgrade(code),
            calls_left: match entry.calls_before_own(code, sizes) {
                0 => 0,
                calls => calls.saturating_add(1),
            },
            numbers,
            offsets: layout.offsets,
            arena_bytes: layout.bytes,
            outputs,
        })
    }

    /// Whether what is given has this size.
    pub(crate) fn fits(&self, entry: &CompiledEntry, given: &[Option<Given>]) -> bool {
        let slots = entry.interface.slots.iter().zip(&self.slots).zip(given);
        let mut read = slots.filter(|((slot, _), _)| slot.read && slot.is_data());
        read.all(|((_, prepared), given)| {
            given.is_some_and(|given| given.fits(&prepared.shape, prepared.len))
        })
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

/// How many elements a tensor of a shape that memory holds has.
pub(crate) fn elements(shape: &[usize]) -> usize {
    if shape.contains(&0) { 0 } else { shape.iter().product() }
}
