//! Sizes of axes: integer polynomials over symbols.
//!
//! In: numbers and names. Out: [`Dim`], which adds, multiplies, divides and compares.
//! Must hold: the form is canonical (sorted monomials, no zero coefficient; a number stands by itself), so that equal polynomials are
//! `==` and hash alike. A symbol stands for an integer ≥ 0. Numbers, and copies of any dim, allocate nothing: shapes and indices are
//! made of dims, and most of them are numbers.
//!
//! A dim has one meaning, [`Dim::evaluate`]: checks, estimates of memory and the numbers that native code loads all come from it.
//! Quotients are rounded down; a quotient that is exact for all values (`n·m / m`, `n / n`) is simplified. A number beyond 64 bits and a
//! quotient by 0 are no sizes: they evaluate to an [`Undefined`], whether the algebra or the symbols' values lead to them.
//!
//! # Decisions
//!
//! - A dim that is a number is stored as one. Other dims are shared, and so are the terms of indices. Sizes are compared, multiplied and
//!   copied in every stage: copies of vectors of vectors were a fifth of the time to build a network.

use std::cmp::Ordering;
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
    /// A number beyond 64 bits. A dim with it is nothing else, and so is everything that is computed with that dim.
    Overflow,
}

/// Why a dim has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undefined {
    /// The value of this symbol is not known.
    Unbound(Arc<str>),
    /// A number on the way is beyond 64 bits.
    Overflow,
    /// This divisor is 0.
    DivisionByZero(Dim),
}

/// What is known of the symbols' values.
pub type Bindings = BTreeMap<Arc<str>, i64>;

/// The size of an axis.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dim(Polynomial);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Polynomial {
    Number(i64),
    /// Sorted by symbols; neither empty nor a number.
    Sum(Arc<[Monomial]>),
}

/// (sorted symbols, coefficient); the constant has no symbols.
type Monomial = (Vec<Symbol>, i64);

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
        Dim::opaque(Symbol::Named(name.into()))
    }

    /// The number, if this is one.
    pub fn as_constant(&self) -> Option<i64> {
        match self.0 {
            Polynomial::Number(value) => Some(value),
            Polynomial::Sum(_) => None,
        }
    }

    /// True for the number `value`.
    pub fn is(&self, value: i64) -> bool {
        self.as_constant() == Some(value)
    }

    /// The monomials: symbols (with repetition) and coefficient. 0 has none.
    pub fn terms(&self) -> impl DoubleEndedIterator<Item = (&[Symbol], i64)> + Clone {
        let number = self.as_constant().filter(|value| *value != 0);
        let number = number.map(|value| (&[][..], value));
        let rest = self.sum().iter().map(|(symbols, value)| (symbols.as_slice(), *value));
        number.into_iter().chain(rest)
    }

    /// The monomials of what is no number.
    fn sum(&self) -> &[Monomial] {
        match &self.0 {
            Polynomial::Number(_) => &[],
            Polynomial::Sum(terms) => terms,
        }
    }

    /// The symbol alone.
    fn opaque(symbol: Symbol) -> Dim {
        Dim(Polynomial::Sum([(vec![symbol], 1)].into()))
    }

    fn from_terms(terms: impl IntoIterator<Item = (Vec<Symbol>, i64)>) -> Dim {
        let mut sum: BTreeMap<Vec<Symbol>, i64> = BTreeMap::new();
        for (mut symbols, value) in terms {
            symbols.sort();
            let sum = sum.entry(symbols).or_default();
            match sum.checked_add(value) {
                Some(added) => *sum = added,
                None => return Dim::overflow(),
            }
        }

        let mut terms: Vec<Monomial> = sum.into_iter().filter(|(_, value)| *value != 0).collect();
        match terms.as_mut_slice() {
            [] => Dim::default(),
            [(symbols, value)] if symbols.is_empty() => Dim::from(*value),
            _ => Dim(Polynomial::Sum(terms.into())),
        }
    }

    /// All coefficients times a number that is not 0.
    fn scaled(&self, factor: i64) -> Dim {
        let scaled =
            self.sum().iter().map(|(symbols, value)| Some((symbols.clone(), value.checked_mul(factor)?)));
        let terms: Option<Arc<[Monomial]>> = scaled.collect();
        terms.map_or_else(Dim::overflow, |terms| Dim(Polynomial::Sum(terms)))
    }

    fn overflow() -> Dim {
        Dim::opaque(Symbol::Overflow)
    }

    /// Whether the algebra has met a number beyond 64 bits.
    pub fn overflows(&self) -> bool {
        matches!(self.sum(), [(symbols, _)] if symbols.contains(&Symbol::Overflow))
    }

    /// `self / divisor`: exact where the algebra can show it, an opaque quotient (rounded down) otherwise.
    /// A quotient by the constant 0 is opaque too, and has no value.
    pub fn divide(&self, divisor: &Dim) -> Dim {
        if self.overflows() || divisor.overflows() {
            return Dim::overflow();
        }
        if divisor.is(0) {
            return self.quotient(divisor);
        }
        if self.is(0) {
            return Dim::default();
        }
        if self == divisor {
            return Dim::from(1);
        }
        if let (Some(a), Some(b)) = (self.as_constant(), divisor.as_constant()) {
            return i64::try_from(floor_quotient(a.into(), b.into())).map_or(Dim::overflow(), Dim::from);
        }

        // A divisor of one term may divide every term exactly.
        let mut of_divisor = divisor.terms();
        if let (Some((symbols, coefficient)), None) = (of_divisor.next(), of_divisor.next()) {
            let exact =
                self.terms().map(|(s, c)| Some((without(s, symbols)?, exact_quotient(c, coefficient)?)));
            if let Some(terms) = exact.collect::<Option<Vec<_>>>() {
                return Dim::from_terms(terms);
            }
        }

        self.quotient(divisor)
    }

    fn quotient(&self, divisor: &Dim) -> Dim {
        Dim::opaque(Symbol::Quotient(Arc::new((self.clone(), divisor.clone()))))
    }

    /// Replaces named symbols by other dims; quotients are divided again.
    pub fn substitute(&self, value: &dyn Fn(&str) -> Option<Dim>) -> Dim {
        let mut sum = Dim::default();
        for (symbols, coefficient) in self.terms() {
            let mut product = Dim::from(coefficient);
            for symbol in symbols {
                let factor = match symbol {
                    Symbol::Named(name) => value(name).unwrap_or_else(|| Dim::symbol(name)),
                    Symbol::Quotient(pair) => pair.0.substitute(value).divide(&pair.1.substitute(value)),
                    Symbol::Overflow => Dim::overflow(),
                };
                product = &product * &factor;
            }
            sum = &sum + &product;
        }

        sum
    }

    /// Replaces bound symbols by their numbers.
    pub fn bind(&self, bindings: &Bindings) -> Dim {
        if self.as_constant().is_some() {
            return self.clone();
        }
        self.substitute(&|name| bindings.get(name).map(|&value| Dim::from(value)))
    }

    /// The number this is under `bindings`: the one meaning of a dim.
    ///
    /// # Errors
    /// A symbol that they leave out, a number beyond 64 bits, a quotient by 0.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::dim::{Bindings, Dim, Undefined};
    ///
    /// let half = (&Dim::symbol("batch") - &Dim::from(3)).divide(&Dim::from(2));
    /// assert_eq!(half.evaluate(&Bindings::from([("batch".into(), 2)])), Ok(-1));
    /// assert_eq!(half.evaluate(&Bindings::new()), Err(Undefined::Unbound("batch".into())));
    /// ```
    pub fn evaluate(&self, bindings: &Bindings) -> Result<i64, Undefined> {
        // Terms beyond 64 bits may cancel each other, so the sum is made in 128 bits.
        let mut sum = 0_i128;
        for (symbols, coefficient) in self.terms() {
            let mut product = i128::from(coefficient);
            for symbol in symbols {
                let value = symbol.evaluate(bindings)?;
                product = product.checked_mul(value.into()).ok_or(Undefined::Overflow)?;
            }
            sum = sum.checked_add(product).ok_or(Undefined::Overflow)?;
        }
        i64::try_from(sum).map_err(|_| Undefined::Overflow)
    }

    /// Compares for every value ≥ 0 of the symbols.
    pub fn compare(&self, other: &Dim) -> Agreement {
        if self == other {
            return Agreement::Equal;
        }
        let difference = self - other;
        if difference.overflows() {
            // An overflow equals no size; two overflows are reported where the first of them is met.
            return Agreement::Undecided;
        }
        // A constant term and no term of the other sign: never zero.
        let constant = difference.terms().find(|(symbols, _)| symbols.is_empty()).map_or(0, |(_, c)| c);
        let one_sided = difference.terms().all(|(_, c)| c.signum() == constant.signum());
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
        for symbol in self.terms().flat_map(|(symbols, _)| symbols) {
            match symbol {
                Symbol::Named(name) => names.push(name.clone()),
                Symbol::Quotient(pair) => {
                    pair.0.collect_symbols(names);
                    pair.1.collect_symbols(names);
                }
                Symbol::Overflow => {}
            }
        }
    }

    /// The greatest magnitude among the numbers that it is written with.
    pub fn greatest_number(&self) -> u64 {
        let numbers = self.terms().flat_map(|(symbols, coefficient)| {
            let inside = symbols.iter().map(|symbol| match symbol {
                Symbol::Named(_) => 0,
                Symbol::Quotient(pair) => pair.0.greatest_number().max(pair.1.greatest_number()),
                Symbol::Overflow => u64::MAX,
            });
            inside.chain([coefficient.unsigned_abs()])
        });
        numbers.max().unwrap_or(0)
    }
}

impl Symbol {
    fn evaluate(&self, bindings: &Bindings) -> Result<i64, Undefined> {
        match self {
            Symbol::Named(name) => {
                bindings.get(name).copied().ok_or_else(|| Undefined::Unbound(name.clone()))
            }
            Symbol::Quotient(pair) => {
                // The divisor first: where it is 0, the numerator need not be known.
                let divisor = pair.1.evaluate(bindings)?;
                if divisor == 0 {
                    return Err(Undefined::DivisionByZero(pair.1.clone()));
                }
                let numerator = pair.0.evaluate(bindings)?;
                i64::try_from(floor_quotient(numerator.into(), divisor.into()))
                    .map_err(|_| Undefined::Overflow)
            }
            Symbol::Overflow => Err(Undefined::Overflow),
        }
    }
}

/// `a / b`, rounded down. `b` is not 0. Both fit in 64 bits, so that `i64::MIN / −1` does not overflow.
fn floor_quotient(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
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
    (a.checked_rem(b)? == 0).then(|| a.checked_div(b))?
}

impl Default for Dim {
    /// 0.
    fn default() -> Dim {
        Dim(Polynomial::Number(0))
    }
}

impl Ord for Dim {
    fn cmp(&self, other: &Dim) -> Ordering {
        self.terms().cmp(other.terms())
    }
}

impl PartialOrd for Dim {
    fn partial_cmp(&self, other: &Dim) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Dim {
    fn from(value: i64) -> Dim {
        Dim(Polynomial::Number(value))
    }
}

impl From<i32> for Dim {
    fn from(value: i32) -> Dim {
        Dim::from(i64::from(value))
    }
}

impl From<usize> for Dim {
    fn from(value: usize) -> Dim {
        i64::try_from(value).map_or(Dim::overflow(), Dim::from)
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
        if self.overflows() || other.overflows() {
            return Dim::overflow();
        }
        match (self.as_constant(), other.as_constant()) {
            (Some(0), _) => other.clone(),
            (_, Some(0)) => self.clone(),
            (Some(a), Some(b)) => a.checked_add(b).map_or_else(Dim::overflow, Dim::from),
            _ => {
                let terms = self.terms().chain(other.terms());
                Dim::from_terms(terms.map(|(symbols, value)| (symbols.to_vec(), value)))
            }
        }
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
        if self.overflows() || other.overflows() {
            return Dim::overflow();
        }

        match (self.as_constant(), other.as_constant()) {
            (Some(1), _) => return other.clone(),
            (_, Some(1)) => return self.clone(),
            (Some(0), _) | (_, Some(0)) => return Dim::default(),
            (Some(a), Some(b)) => return a.checked_mul(b).map_or_else(Dim::overflow, Dim::from),
            (Some(factor), None) => return other.scaled(factor),
            (None, Some(factor)) => return self.scaled(factor),
            (None, None) => {}
        }

        let products = self
            .terms()
            .flat_map(|(s, a)| other.terms().map(move |(t, b)| Some(([s, t].concat(), a.checked_mul(b)?))));
        products.collect::<Option<Vec<_>>>().map_or_else(Dim::overflow, Dim::from_terms)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol::Named(name) => f.write_str(name),
            Symbol::Quotient(pair) => write!(f, "({})/({})", pair.0, pair.1),
            Symbol::Overflow => f.write_str("a number beyond 64 bits"),
        }
    }
}

impl fmt::Display for Dim {
    /// `4*width + 1`: highest monomials first, as on paper.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is(0) {
            return f.write_str("0");
        }

        for (position, (symbols, coefficient)) in self.terms().rev().enumerate() {
            match (position, coefficient < 0) {
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

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undefined::Unbound(name) => write!(f, "the size `{name}` is not known"),
            Undefined::Overflow => f.write_str("a number in it is beyond 64 bits"),
            Undefined::DivisionByZero(divisor) => write!(f, "it divides by `{divisor}`, which is 0"),
        }
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
        assert_eq!(half.evaluate(&Bindings::from([("n".into(), 10)])), Ok(5));
    }

    #[test]
    fn quotients_round_down_and_never_by_zero() {
        let n = symbol("n");
        let at = |dim: &Dim, n: i64| dim.evaluate(&Bindings::from([("n".into(), n)]));
        let below = (&n - &Dim::from(3)).divide(&Dim::from(2));
        assert_eq!([0, 2, 3, 4].map(|n| at(&below, n)), [Ok(-2), Ok(-1), Ok(0), Ok(0)]);

        // Bound first and evaluated at once are the same.
        for n in 0..8 {
            for (a, b) in [(7, 2), (-7, 2), (7, -2), (-7, -2)] {
                let dim = (&Dim::from(a) + &symbol("n")).divide(&Dim::from(b));
                let bindings = Bindings::from([("n".into(), n)]);
                assert_eq!(dim.bind(&bindings).as_constant(), dim.evaluate(&bindings).ok());
                assert_eq!(
                    at(&dim, n),
                    Ok((a + n).div_euclid(b) - i64::from((a + n).rem_euclid(b) != 0 && b < 0))
                );
            }
        }

        let by = Dim::from(20).divide(&n);
        assert_eq!(at(&by, 0), Err(Undefined::DivisionByZero(n.clone())));
        let by = n.divide(&Dim::from(0));
        assert_eq!(at(&by, 5), Err(Undefined::DivisionByZero(Dim::from(0))));
    }

    #[test]
    fn numbers_beyond_64_bits_are_no_sizes() {
        let (most, none) = (Dim::from(i64::MAX), Bindings::new());
        let beyond = [&most + &most, &most * &Dim::from(2), &Dim::from(i64::MIN) - &Dim::from(1)];
        for dim in &beyond {
            assert_eq!(dim.evaluate(&none), Err(Undefined::Overflow));
            assert!(
                (dim - &most).overflows() && dim.divide(&most).overflows() && most.divide(dim).overflows()
            );
            assert_eq!(dim.compare(&most), Agreement::Undecided);
        }

        assert!(Dim::from(i64::MIN).divide(&Dim::from(-1)).overflows());
        let many = &symbol("n") * &Dim::from(i64::MIN);
        assert_eq!(many.divide(&Dim::from(-1)).symbols(), [Arc::from("n")]);

        // What the symbols' values bring is met when it is evaluated; terms may cancel.
        let square = &symbol("n") * &symbol("n");
        let huge = Bindings::from([("n".into(), i64::MAX)]);
        assert_eq!(square.evaluate(&huge), Err(Undefined::Overflow));

        assert_eq!(
            (&(&symbol("n") * &Dim::from(3)) - &(&symbol("n") * &Dim::from(2))).evaluate(&huge),
            Ok(i64::MAX)
        );
        assert_eq!(beyond[0].greatest_number(), u64::MAX);
    }
}
