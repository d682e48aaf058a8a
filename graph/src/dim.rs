//! Sizes of axes: integer polynomials over symbols.
//!
//! In: numbers and names. Out: [`Dim`], which adds, multiplies, divides and compares.
//! Must hold: the form is canonical (sorted monomials, no zero coefficient), so that equal polynomials are `==`
//! and hash alike. A symbol stands for an integer ≥ 0. Numbers beyond 64 bits saturate: no memory holds such a size.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Mul, Sub};
use std::sync::Arc;

/// A name for a size that is not known yet, or the quotient of two dims that no rule could divide.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Symbol {
    /// `batch`, `hidden`, …
    Named(Arc<str>),
    /// `numerator / denominator`, rounded down, opaque to the algebra.
    Quotient(Arc<(Dim, Dim)>),
}

/// What is known of the symbols' values.
pub type Bindings = BTreeMap<Arc<str>, i64>;

/// The size of an axis.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Dim {
    /// (sorted symbols, coefficient), sorted by symbols; the constant has none.
    terms: Vec<(Vec<Symbol>, i64)>,
}

/// The answer of comparing two dims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agreement {
    /// The same for every value of the symbols.
    Equal,
    /// Different for every value of the symbols.
    Unequal,
    /// It depends on the symbols.
    Undecided,
}

impl Dim {
    /// The dim called `name`.
    pub fn symbol(name: &str) -> Dim {
        Dim { terms: vec![(vec![Symbol::Named(name.into())], 1)] }
    }

    /// The number, if this is one.
    pub fn as_constant(&self) -> Option<i64> {
        match self.terms.as_slice() {
            [] => Some(0),
            [(symbols, value)] if symbols.is_empty() => Some(*value),
            _ => None,
        }
    }

    /// True for the number `value`.
    pub fn is(&self, value: i64) -> bool {
        self.as_constant() == Some(value)
    }

    /// The monomials: symbols (with repetition) and coefficient.
    pub fn terms(&self) -> &[(Vec<Symbol>, i64)] {
        &self.terms
    }

    fn from_terms(terms: impl IntoIterator<Item = (Vec<Symbol>, i64)>) -> Dim {
        let mut sum: BTreeMap<Vec<Symbol>, i64> = BTreeMap::new();
        for (mut symbols, value) in terms {
            symbols.sort();
            let sum = sum.entry(symbols).or_default();
            *sum = sum.saturating_add(value);
        }
        Dim { terms: sum.into_iter().filter(|(_, value)| *value != 0).collect() }
    }

    /// `self / divisor`: exact where the algebra can show it, an opaque quotient (rounded down) otherwise.
    /// Division by the constant 0 gives 0, which no shape rule accepts silently: callers check for it.
    pub fn divide(&self, divisor: &Dim) -> Dim {
        if self.terms.is_empty() || divisor.is(0) {
            return Dim::default();
        }
        if self == divisor {
            return Dim::from(1);
        }
        if let (Some(a), Some(b)) = (self.as_constant(), divisor.as_constant()) {
            return Dim::from(a.checked_div_euclid(b).unwrap_or(i64::MAX));
        }
        if let [(symbols, coefficient)] = divisor.terms.as_slice() {
            let exact = self
                .terms
                .iter()
                .map(|(s, c)| Some((without(s, symbols)?, exact_quotient(*c, *coefficient)?)));
            if let Some(terms) = exact.collect::<Option<Vec<_>>>() {
                return Dim::from_terms(terms);
            }
        }
        Dim { terms: vec![(vec![Symbol::Quotient(Arc::new((self.clone(), divisor.clone())))], 1)] }
    }

    /// Replaces named symbols by other dims; quotients are divided again.
    pub fn substitute(&self, value: &dyn Fn(&str) -> Option<Dim>) -> Dim {
        let mut sum = Dim::default();
        for (symbols, coefficient) in &self.terms {
            let mut product = Dim::from(*coefficient);
            for symbol in symbols {
                let factor = match symbol {
                    Symbol::Named(name) => value(name).unwrap_or_else(|| Dim::symbol(name)),
                    Symbol::Quotient(pair) => pair.0.substitute(value).divide(&pair.1.substitute(value)),
                };
                product = &product * &factor;
            }
            sum = &sum + &product;
        }
        sum
    }

    /// Replaces bound symbols by their numbers.
    pub fn bind(&self, bindings: &Bindings) -> Dim {
        self.substitute(&|name| bindings.get(name).map(|&value| Dim::from(value)))
    }

    /// The number this is under `bindings`, if they bind enough.
    pub fn evaluate(&self, bindings: &Bindings) -> Option<i64> {
        self.bind(bindings).as_constant()
    }

    /// Compares for every value ≥ 0 of the symbols.
    pub fn compare(&self, other: &Dim) -> Agreement {
        let difference = self - other;
        if difference.terms.is_empty() {
            return Agreement::Equal;
        }
        // A constant term and no term of the other sign: never zero.
        let constant = difference.terms.iter().find(|(symbols, _)| symbols.is_empty()).map_or(0, |(_, c)| *c);
        let one_sided = difference.terms.iter().all(|(_, c)| c.signum() == constant.signum());
        if one_sided { Agreement::Unequal } else { Agreement::Undecided }
    }

    /// Every named symbol in it, quotients included.
    pub fn symbols(&self) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        self.collect_symbols(&mut names);
        names.sort();
        names.dedup();
        names
    }

    fn collect_symbols(&self, names: &mut Vec<Arc<str>>) {
        for symbol in self.terms.iter().flat_map(|(symbols, _)| symbols) {
            match symbol {
                Symbol::Named(name) => names.push(name.clone()),
                Symbol::Quotient(pair) => {
                    pair.0.collect_symbols(names);
                    pair.1.collect_symbols(names);
                }
            }
        }
    }
}

/// `symbols` less `divisor`'s, or `None` where one is missing.
fn without(symbols: &[Symbol], divisor: &[Symbol]) -> Option<Vec<Symbol>> {
    let mut rest = symbols.to_vec();
    for symbol in divisor {
        let position = rest.iter().position(|s| s == symbol)?;
        rest.remove(position);
    }
    Some(rest)
}

fn exact_quotient(a: i64, b: i64) -> Option<i64> {
    (a.checked_rem(b)? == 0).then(|| a / b)
}

impl From<i64> for Dim {
    fn from(value: i64) -> Dim {
        Dim::from_terms([(Vec::new(), value)])
    }
}

impl From<i32> for Dim {
    fn from(value: i32) -> Dim {
        Dim::from(i64::from(value))
    }
}

impl From<usize> for Dim {
    fn from(value: usize) -> Dim {
        // A size beyond i64 cannot be allocated; saturating keeps it an error of size, not of sign.
        Dim::from(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&Dim> for Dim {
    fn from(value: &Dim) -> Dim {
        value.clone()
    }
}

impl Add for &Dim {
    type Output = Dim;
    fn add(self, other: &Dim) -> Dim {
        Dim::from_terms(self.terms.iter().chain(&other.terms).cloned())
    }
}

impl Sub for &Dim {
    type Output = Dim;
    fn sub(self, other: &Dim) -> Dim {
        self + &(&Dim::from(-1) * other)
    }
}

impl Mul for &Dim {
    type Output = Dim;
    fn mul(self, other: &Dim) -> Dim {
        let products = self.terms.iter().flat_map(|(s, a)| {
            other
                .terms
                .iter()
                .map(move |(t, b)| ([s.as_slice(), t.as_slice()].concat(), a.saturating_mul(*b)))
        });
        Dim::from_terms(products)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol::Named(name) => f.write_str(name),
            Symbol::Quotient(pair) => write!(f, "({})/({})", pair.0, pair.1),
        }
    }
}

impl fmt::Display for Dim {
    /// `4*width + 1`: highest monomials first, as on paper.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        for (position, (symbols, coefficient)) in self.terms.iter().rev().enumerate() {
            match (position, *coefficient < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let size = coefficient.unsigned_abs();
            let mut factors: Vec<String> = symbols.iter().map(Symbol::to_string).collect();
            if size != 1 || factors.is_empty() {
                factors.insert(0, size.to_string());
            }
            f.write_str(&factors.join("*"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str) -> Dim {
        Dim::symbol(name)
    }

    #[test]
    fn algebra_is_canonical() {
        let (a, b) = (symbol("a"), symbol("b"));
        assert_eq!(&(&a + &b) * &a, &(&a * &a) + &(&b * &a));
        assert_eq!((&(&a + &b) - &b), a);
        assert_eq!((&(&Dim::from(4) * &a) + &Dim::from(1)).to_string(), "4*a + 1");
    }

    #[test]
    fn comparison_has_three_answers() {
        let n = symbol("n");
        assert_eq!(n.compare(&n), Agreement::Equal);
        assert_eq!(n.compare(&(&n + &Dim::from(1))), Agreement::Unequal);
        assert_eq!(n.compare(&Dim::from(3)), Agreement::Undecided);
        assert_eq!(Dim::from(2).compare(&Dim::from(3)), Agreement::Unequal);
        assert_eq!(n.compare(&symbol("m")), Agreement::Undecided);
    }

    #[test]
    fn division_is_exact_or_opaque() {
        let n = symbol("n");
        assert_eq!((&n * &Dim::from(4)).divide(&Dim::from(2)), &n * &Dim::from(2));
        let half = n.divide(&Dim::from(2));
        assert_eq!(half.to_string(), "(n)/(2)");
        assert_eq!(half.evaluate(&Bindings::from([("n".into(), 10)])), Some(5));
    }

    #[test]
    fn absurd_sizes_saturate() {
        let (most, least) = (Dim::from(i64::MAX), &Dim::from(i64::MIN) - &Dim::from(1));
        assert_eq!(&most + &most, most);
        assert_eq!(least, Dim::from(i64::MIN));
        assert_eq!(least.divide(&Dim::from(-1)), most);
        let many = &symbol("n") * &Dim::from(i64::MIN);
        assert_eq!(many.divide(&Dim::from(-1)).symbols(), [Arc::from("n")]);
    }
}
