//! Which sizes are known when: numbers always, those of arguments with the build, all others with each run.
//!
//! In: dims, and when their symbols are known. Out: what can be said of the dims before that.
//!
//! A graph must be right for every size that a run can bring: two dims agree when they are the same polynomial, once the arguments are
//! numbers. If their difference contains a run-time symbol whatever the arguments are, they never agree.

use crate::dim::{Dim, Symbol};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a symbol is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// It becomes a number when the network is built.
    Build,
    /// Each run brings a number.
    Run,
    /// Nobody can say yet: it may stand for any dim, that of a run among them.
    Unknown,
}

/// Whether some numbers for the arguments make `a` and `b` the same for every run. True where that is hard to tell.
pub fn can_agree(a: &Dim, b: &Dim, when: &dyn Fn(&str) -> When) -> bool {
    let difference = a - b;
    if difference.overflows() {
        return true;
    }
    if difference.symbols().iter().any(|name| when(name) == When::Unknown) {
        return true;
    }
    let is_argument = |symbol: &&Symbol| names(symbol).iter().any(|name| when(name) == When::Build);
    let is_run_time = |symbol: &&Symbol| names(symbol).iter().any(|name| when(name) == When::Run);

    // The difference as a polynomial in the run-time symbols. It is 0 for every run only if all of its coefficients are 0.
    let mut coefficients: BTreeMap<Vec<&Symbol>, Vec<(Vec<&Symbol>, i64)>> = BTreeMap::new();
    for (symbols, number) in difference.terms() {
        // A quotient of both kinds may become anything: batch/width is batch where width is 1.
        if symbols.iter().any(|symbol| is_argument(&symbol) && is_run_time(&symbol)) {
            return true;
        }
        let (of_build, of_run) = symbols.iter().partition(is_argument);
        coefficients.entry(of_run).or_default().push((of_build, number));
    }

    !coefficients.values().any(|terms| is_never_zero(terms))
}

/// Whether the terms are a constant other than 0, and others that cannot have the opposite sign. Arguments are ≥ 0; their quotients
/// need not be.
fn is_never_zero(terms: &[(Vec<&Symbol>, i64)]) -> bool {
    let constant = terms.iter().find(|(symbols, _)| symbols.is_empty()).map_or(0, |(_, number)| *number);
    constant != 0
        && terms.iter().all(|(symbols, number)| {
            number.signum() == constant.signum()
                && symbols.iter().all(|symbol| matches!(symbol, Symbol::Named(_)))
        })
}

fn names(symbol: &Symbol) -> Vec<Arc<str>> {
    match symbol {
        Symbol::Named(name) => vec![name.clone()],
        Symbol::Overflow => Vec::new(),
        Symbol::Quotient(pair) => [pair.0.symbols(), pair.1.symbols()].concat(),
    }
}

/// A symbol that only a run tells and that both sizes depend on: axes whose sizes share one count the same things.
pub fn shared_run_symbol(a: &Dim, b: &Dim, when: &dyn Fn(&str) -> When) -> Option<Arc<str>> {
    let others = b.symbols();
    a.symbols().into_iter().find(|name| when(name) == When::Run && others.contains(name))
}

/// A size of the form `times · symbol + plus`: whoever knows it knows the symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The symbol.
    pub symbol: Arc<str>,
    /// Not 0.
    pub times: i64,
    /// Added to it.
    pub plus: i64,
}

/// What an axis of this size tells.
pub fn told_by(dim: &Dim) -> Option<Told> {
    let mut terms = dim.terms().peekable();
    let plus = terms.next_if(|(symbols, _)| symbols.is_empty()).map_or(0, |(_, plus)| plus);
    match (terms.next(), terms.next()) {
        (Some(([Symbol::Named(symbol)], times)), None) => Some(Told { symbol: symbol.clone(), times, plus }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::{Bindings, Undefined};

    /// `h` and `w` are arguments, nothing is known of `u`, all other symbols come with a run.
    fn agree(a: &Dim, b: &Dim) -> bool {
        let when = |name: &str| match name {
            "h" | "w" => When::Build,
            "u" => When::Unknown,
            _ => When::Run,
        };
        let (there, back) = (can_agree(a, b, &when), can_agree(b, a, &when));
        assert_eq!(there, back, "{a} and {b}");
        there
    }

    #[test]
    fn what_keeps_a_run_time_symbol_never_agrees() {
        let [n, m, h, w] = ["n", "m", "h", "w"].map(Dim::symbol);
        let number = |value: i64| Dim::from(value);
        assert!(!agree(&n, &number(4)) && !agree(&n, &m) && !agree(&n, &h));
        assert!(!agree(&(&n * &number(4)), &(&n * &number(3))));
        assert!(!agree(&(&n * &n), &n) && !agree(&(&n + &h), &(&m + &h)));
        assert!(!agree(&n.divide(&number(2)), &n) && !agree(&n.divide(&number(2)), &h));
        assert!(!agree(&(&n * &(&h + &number(1))), &number(7)));
        assert!(agree(&n, &n) && agree(&h, &w) && agree(&h, &number(4)));
        assert!(agree(&(&n * &h), &n) && agree(&(&n * &h), &number(0)) && agree(&(&n + &h), &(&n + &w)));
        assert!(agree(&n.divide(&h), &n) && agree(&(&n * &h).divide(&w), &m));
        assert!(agree(&(&n * &number(4)), &(&Dim::symbol("u") * &number(3))));
        let below = &(&h - &number(3)).divide(&number(2)) + &number(1);
        assert!(agree(&(&n * &below), &number(0)), "at h = 1 the factor is 0");
    }

    /// What is said never to agree has no numbers that make it agree.
    #[test]
    fn no_numbers_prove_it_wrong() {
        let [n, m, h, w] = ["n", "m", "h", "w"].map(Dim::symbol);
        let mut dims = vec![n, m, h, w, Dim::from(0), Dim::from(1), Dim::from(5)];

        let first = dims.clone();
        for a in &first {
            for b in &first {
                dims.extend([&(a * b) - &Dim::from(1), a + b, &(a - b) + &Dim::from(3), a.divide(b)]);
            }
        }

        let numbers = || (0..5).flat_map(|h| (0..5).map(move |w| [("h".into(), h), ("w".into(), w)].into()));
        let bound = |dim: &Dim| numbers().map(|numbers| dim.bind(&numbers)).collect::<Vec<Dim>>();
        let bound: Vec<Vec<Dim>> = dims.iter().map(bound).collect();

        // Quotients by 0 are no sizes.
        let divides_by_zero =
            |dim: &Dim| matches!(dim.evaluate(&Bindings::new()), Err(Undefined::DivisionByZero(_)));

        let mut refused = 0;
        for (a, a_bound) in dims.iter().zip(&bound) {
            for (b, b_bound) in dims.iter().zip(&bound).filter(|(b, _)| !agree(a, b)) {
                refused += 1;
                let differ = |(x, y): (&Dim, &Dim)| x != y || divides_by_zero(x);
                assert!(a_bound.iter().zip(b_bound).all(differ), "{a} and {b}");
            }
        }

        assert!(refused > 1000, "{refused}");
    }
}
