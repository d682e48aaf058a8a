//! Binding of a caller's data to the inputs of an entry: which tensor is which input, and how large every symbol is.
//!
//! In: an entry's input slots, the caller's views. Out: an [`Interface`], made once for each entry; [`Given`]s and the value
//! of each symbol, made in every call.
//!
//! Must hold: nothing allocates unless there is a mistake to report.

use crate::demand::Demand;
use crate::error::Error;
use crate::given::Given;
use crate::view::{Data, Extent, Feed, MAX_RANK};
use downhill_codegen::entry::description::Entry;
use downhill_graph::agreement::told_by;
use downhill_graph::check::{Check, Made};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::Role;
use downhill_graph::types::{ElementType, Shape};
use std::sync::Arc;

/// The inputs of an entry, and how sizes follow from them.
#[derive(Debug)]
pub(crate) struct Interface {
    /// The entry's name in messages: `step`, `forward`.
    pub(crate) entry: String,
    /// In the order of the entry's inputs.
    pub(crate) slots: Vec<Slot>,
    /// The symbols whose values follow from the shapes of the data.
    pub(crate) symbols: Vec<Arc<str>>,
    /// The symbol that counts rows, if there is one.
    pub(crate) rows: Option<usize>,
    /// What is demanded of the elements of the data.
    pub(crate) demands: Vec<Demand>,
    inputs: Slots,
    targets: Slots,
}

/// The slots of one role.
#[derive(Debug)]
struct Slots {
    declared: Vec<usize>,
    /// Those that the entry reads, or takes a size from.
    read: Vec<usize>,
}

impl Slots {
    fn of(slots: &[Slot], role: Role) -> Slots {
        let of_role = |only_read: bool| {
            let fits = |&at: &usize| slots[at].role == role && (slots[at].read || !only_read);
            (0..slots.len()).filter(fits).collect()
        };
        Slots { declared: of_role(false), read: of_role(true) }
    }
}

/// One input.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) element: ElementType,
    /// As declared.
    pub(crate) shape: Shape,
    pub(crate) lookup: bool,
    pub(crate) read: bool,
    rules: Vec<Rule>,
}

/// How the size of an axis is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// It is this number.
    Known(i64),
    /// It is `times · symbol + plus`.
    Linear { symbol: usize, times: i64, plus: i64 },
    /// It follows from symbols that other axes decide.
    Follows,
}

impl Interface {
    pub(crate) fn new(name: &str, entry: &Entry, bindings: &Bindings, checks: &[Check]) -> Interface {
        let symbols = &entry.symbols;
        let slots = entry.inputs.iter().map(|input| Slot {
            name: input.name.clone(),
            role: input.role,
            element: input.ty.element,
            shape: input.ty.shape.clone(),
            lookup: input.lookup,
            read: input.read,
            rules: input.ty.shape.dims().iter().map(|dim| rule(&dim.bind(bindings), symbols)).collect(),
        });
        let slots: Vec<Slot> = slots.collect();

        let rows = entry.has_rows.then_some(0);
        let demands = demands(&slots, checks, bindings);
        let [inputs, targets] = [Role::Input, Role::Target].map(|role| Slots::of(&slots, role));
        Interface { entry: name.to_owned(), slots, symbols: symbols.to_vec(), rows, demands, inputs, targets }
    }

    /// Puts data, given in the order of declaration, into its slots. Inputs that the entry does not read may be left out.
    pub(crate) fn place<'a>(
        &self,
        role: Role,
        feed: &impl Feed<'a>,
        given: &mut [Option<Given>],
    ) -> Result<(), Error> {
        let Slots { declared, read } = if role == Role::Target { &self.targets } else { &self.inputs };
        let found = feed.count();
        let slots = if found == declared.len() { declared } else { read };
        if found != slots.len() {
            return Err(self.wrong_count(role, !read.is_empty(), found));
        }

        let mut slots = slots.iter();
        feed.visit(|view| {
            if let Some(&slot) = slots.next() {
                given[slot] = Some(Given::new(&view));
            }
        });
        Ok(())
    }

    fn wrong_count(&self, role: Role, only_read: bool, found: usize) -> Error {
        let wanted = self.slots.iter().filter(|slot| slot.role == role && (slot.read || !only_read));
        Error::Count {
            entry: self.entry.clone(),
            kind: if role == Role::Target { "target" } else { "input" },
            expected: wanted.map(|slot| slot.name.to_string()).collect(),
            found,
        }
    }

    /// Puts data, given by name, into its slots.
    pub(crate) fn place_named(
        &self,
        named: &[(&str, &dyn Data)],
        given: &mut [Option<Given>],
    ) -> Result<(), Error> {
        for (name, data) in named {
            let slot = self.data_slot(name)?;
            if given[slot].replace(Given::new(&data.view())).is_some() {
                return Err(Error::Duplicate { kind: "input", name: (*name).to_owned() });
            }
        }
        Ok(())
    }

    /// Which slot takes the data of this name.
    pub(crate) fn data_slot(&self, name: &str) -> Result<usize, Error> {
        let found = self.slots.iter().position(|slot| *slot.name == *name && slot.is_data());
        found.ok_or_else(|| {
            let known = self.slots.iter().filter(|slot| slot.is_data());
            Error::unknown("input", name, known.map(|slot| &*slot.name))
        })
    }

    /// Finds the values of the symbols from the shapes of the data; `sizes` has one element for each symbol.
    pub(crate) fn solve(&self, given: &[Option<Given>], sizes: &mut [i64]) -> Result<(), Error> {
        sizes.fill(UNKNOWN);
        let read = || self.slots.iter().enumerate().filter(|(_, slot)| slot.read && slot.is_data());
        for (index, slot) in read() {
            if given[index].is_none() {
                return Err(Error::Missing { entry: self.entry.clone(), name: slot.name.to_string() });
            }
            self.solve_shaped(index, given, sizes)?;
        }

        // A length alone tells at most the number of rows, so it comes after all shapes.
        for (index, slot) in read() {
            if let Some(Given { extent: Extent::Flat, len, .. }) = given[index] {
                self.solve_flat(slot, len, sizes)?;
            }
        }

        match sizes.iter().position(|&size| size == UNKNOWN) {
            None => Ok(()),
            Some(symbol) => Err(Error::usage(
                format!(
                    "nothing that `{}` was given tells the size of `{}`",
                    self.entry, self.symbols[symbol]
                ),
                "give a tensor with a shape, or declare an input that has this size as an axis",
            )),
        }
    }

    fn solve_shaped(&self, index: usize, all: &[Option<Given>], sizes: &mut [i64]) -> Result<(), Error> {
        let (slot, Some(given)) = (&self.slots[index], &all[index]) else { return Ok(()) };
        let (rank, dims) = match given.extent {
            Extent::Flat => return Ok(()),
            Extent::Unfit(reason) => return Err(slot.misfit(given, reason.into())),
            Extent::Shaped(rank, dims) => (usize::from(rank), dims),
        };
        if rank != slot.rules.len() {
            let axes = |n: usize| if n == 1 { "1 axis".into() } else { format!("{n} axes") };
            return Err(slot.misfit(given, format!("it has {}, not {}", axes(rank), axes(slot.rules.len()))));
        }

        for (axis, (&rule, &size)) in slot.rules.iter().zip(&dims).enumerate() {
            let Ok(size) = i64::try_from(size) else {
                return Err(slot.misfit(given, format!("axis {axis} is longer than memory")));
            };
            match rule {
                Rule::Known(expected) if expected != size => {
                    return Err(slot.misfit(given, format!("axis {axis} has size {size}, not {expected}")));
                }
                Rule::Known(_) | Rule::Follows => {}
                Rule::Linear { symbol, times, plus } => {
                    let Some(value) = solved(times, plus, size) else {
                        let dim = &slot.shape.dims()[axis];
                        return Err(
                            slot.misfit(given, format!("axis {axis}, `{dim}`, cannot have size {size}"))
                        );
                    };
                    if sizes[symbol] != UNKNOWN && sizes[symbol] != value {
                        return Err(self.disagreement(symbol, sizes[symbol], (slot, value), all));
                    }
                    sizes[symbol] = value;
                }
            }
        }
        Ok(())
    }

    /// Data without a shape fits if its length makes whole rows.
    fn solve_flat(&self, slot: &Slot, len: usize, sizes: &mut [i64]) -> Result<(), Error> {
        let (base, element, extent) = (std::ptr::null(), slot.element, Extent::Flat);
        let flat = Given { base, element, width: None, len, extent, whole: len };
        let mut row = 1_i64;
        for rule in slot.rules.iter().skip(1) {
            let size = rule.size(sizes).ok_or_else(|| {
                slot.misfit(
                    &flat,
                    "a length alone does not tell its shape; give a tensor or nested arrays".into(),
                )
            })?;
            row = row.saturating_mul(size);
        }

        let len = i64::try_from(len).unwrap_or(i64::MAX);
        match slot.rules.first() {
            Some(&Rule::Linear { symbol, times: 1, plus: 0 }) if sizes[symbol] == UNKNOWN => {
                let rows = if row == 0 { 0 } else { len / row };
                if rows * row != len {
                    return Err(slot.misfit(&flat, format!("they do not make rows of {row}")));
                }
                sizes[symbol] = rows;
                Ok(())
            }
            first => {
                let expected =
                    first.map_or(Some(1), |rule| rule.size(sizes)).map(|rows| rows.saturating_mul(row));
                match expected {
                    Some(expected) if expected != len => {
                        Err(slot.misfit(&flat, format!("it takes {expected}")))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    fn disagreement(&self, symbol: usize, size: i64, second: (&Slot, i64), given: &[Option<Given>]) -> Error {
        let decides =
            |rule: &Rule| matches!(rule, Rule::Linear { symbol: decided, .. } if *decided == symbol);
        let shaped = |given: &Option<Given>| given.is_some_and(|given| given.extent != Extent::Flat);
        let mut slots = self.slots.iter().zip(given);
        let first = slots.find(|(slot, given)| slot.read && shaped(given) && slot.rules.iter().any(decides));
        Error::Disagreement {
            symbol: self.symbols[symbol].to_string(),
            first: (first.map_or_else(String::new, |(slot, _)| slot.name.to_string()), size),
            second: (second.0.name.to_string(), second.1),
        }
    }

    /// The values of the symbols by name.
    pub(crate) fn bindings(&self, sizes: &[i64], build_values: &Bindings) -> Bindings {
        let symbols = self.symbols.iter().cloned().zip(sizes.iter().copied());
        symbols.chain(build_values.iter().map(|(name, &value)| (name.clone(), value))).collect()
    }
}

/// The demands of checks that are made when data is bound, without duplicates.
fn demands(slots: &[Slot], checks: &[Check], bindings: &Bindings) -> Vec<Demand> {
    let mut demands: Vec<Demand> = Vec::new();
    for check in checks {
        let Made::Bound(slot) = check.made else { continue };
        let Slot { name, element, read, .. } = &slots[slot];
        let demand = Demand::new(slot, name, *element, check, bindings);
        if *read && !demands.iter().any(|known| known.is_same(&demand)) {
            demands.push(demand);
        }
    }
    demands
}

const UNKNOWN: i64 = -1;

/// An axis of as many elements as there are rows: the first symbol counts them.
const ROWS: Rule = Rule::Linear { symbol: 0, times: 1, plus: 0 };

impl Rule {
    fn size(self, sizes: &[i64]) -> Option<i64> {
        match self {
            Rule::Known(size) => Some(size),
            Rule::Linear { symbol, .. } if sizes[symbol] == UNKNOWN => None,
            Rule::Linear { symbol, times, plus } => times.checked_mul(sizes[symbol])?.checked_add(plus),
            Rule::Follows => None,
        }
    }
}

/// The x ≥ 0 with `times · x + plus = size`.
fn solved(times: i64, plus: i64, size: i64) -> Option<i64> {
    let rest = size.checked_sub(plus)?;
    let value = rest.checked_div(times)?;
    (value >= 0 && rest.checked_rem(times) == Some(0)).then_some(value)
}

impl Slot {
    /// Whether callers hand it in.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.role, Role::Input | Role::Target)
    }

    /// Refuses a column of a data set whose rows are not what it takes, in words of the whole column.
    pub(crate) fn check_column(&self, shape: &[usize]) -> Result<(), Error> {
        let axes = |n: usize| if n == 1 { "1 axis".into() } else { format!("{n} axes") };
        let wrong = |reason: String| Error::Shape {
            name: self.name.to_string(),
            expected: self.shape.to_string(),
            found: format!("{shape:?}"),
            reason,
        };

        let (rank, wanted) = (shape.len(), self.rules.len());
        if rank != wanted {
            let reason = format!("it has {}, not {wanted}", axes(rank));
            // What has one number a row may have an axis for it or not.
            let other = match (rank, wanted, shape) {
                (1, 2, [rows]) => format!("; give `{}.reshape([{rows}, 1])?`", self.name),
                (2, 1, [rows, 1]) => format!("; give `{}.reshape([{rows}])?`", self.name),
                _ => String::new(),
            };
            return Err(wrong(reason + &other));
        }
        for (axis, (rule, &size)) in self.rules.iter().zip(shape).enumerate().skip(1) {
            if let Rule::Known(expected) = *rule
                && i64::try_from(size) != Ok(expected)
            {
                return Err(wrong(format!("axis {axis} has size {size}, not {expected}")));
            }
        }
        Ok(())
    }

    pub(crate) fn misfit(&self, given: &Given, reason: String) -> Error {
        Error::Shape {
            name: self.name.to_string(),
            expected: self.shape.to_string(),
            found: given.describe(),
            reason,
        }
    }

    /// How many elements a row of `given` has, where the input has rows.
    pub(crate) fn row_len(&self, shape: &[usize]) -> Option<usize> {
        (self.rules.first() == Some(&ROWS)).then(|| shape.iter().skip(1).product())
    }
}

fn rule(dim: &Dim, symbols: &[Arc<str>]) -> Rule {
    if let Some(size) = dim.as_constant() {
        return Rule::Known(size);
    }
    if let Some(told) = told_by(dim)
        && let Some(symbol) = symbols.iter().position(|known| *known == told.symbol)
    {
        return Rule::Linear { symbol, times: told.times, plus: told.plus };
    }
    Rule::Follows
}

const _: () = assert!(MAX_RANK <= u8::MAX as usize);
