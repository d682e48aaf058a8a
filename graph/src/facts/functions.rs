//! What the functions of numbers are: a row each for one operand, two operands, comparisons and folds.
//!
//! In: a function. Out: its row. Other code reads these facts instead of naming functions: inference reads `takes` and `gives`,
//! differentiation `slope`, simplification `bound`, the guard `of_finite` and `hands_on`, fusion and the choice of lane loops `cost`.
//!
//! Must hold: a fact is the truth, or the answer that promises nothing ([`Bound::Unknown`], `hands_on: false`, [`Slope::Function`],
//! [`OfFinite::Others`]). Bits of results depend on `bound` and `cost`: a more precise `bound` or `cost` changes them.

use crate::op::{Binary, Compare, Reduction, Unary};
use crate::types::ElementType;

/// The element types that a function takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// All but bool.
    Numbers,
    /// Floats.
    Floats,
    /// All but floats.
    Bits,
    /// Integers.
    Integers,
}

impl Takes {
    /// Whether `element` is one of them.
    pub fn accepts(self, element: ElementType) -> bool {
        match self {
            Takes::Numbers => element != ElementType::Bool,
            Takes::Floats => element.is_float(),
            Takes::Bits => !element.is_float(),
            Takes::Integers => element.is_integer(),
        }
    }
}

/// What a derivative by one operand depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slope {
    /// Nothing: it is 0 wherever it exists, and no gradient passes.
    Zero,
    /// Constants alone: a gradient of 0 stays 0 whatever the operands are.
    Number,
    /// The other operand: a gradient of 0 stays 0 as long as that operand is finite.
    Other,
    /// Functions of the operands, which may be infinite or NaN.
    Function,
}

/// How large the elements of a result are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Nothing is known.
    Unknown,
    /// −1 to 1.
    One,
    /// No larger than the largest operand (masks do not count).
    Operands,
    /// No larger than the sum of the operands' magnitudes.
    Sum,
    /// No larger than the product of the operands' magnitudes.
    Product,
}

/// What the function gives for finite operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfFinite {
    /// Finite values, but for overflow: basic arithmetic.
    Plain,
    /// Always finite values.
    Finite,
    /// Infinities and NaN too, and not by overflow alone.
    Others,
}

/// What it costs to compute an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cost {
    /// In additions: what it costs to compute it again instead of storing it.
    pub again: u32,
    /// In statements on vectors: lane loops are chosen by it.
    pub statements: u32,
}

impl Cost {
    /// Nothing is computed.
    pub const NOTHING: Cost = Cost { again: 0, statements: 0 };
    /// One instruction.
    pub const LIGHT: Cost = Cost { again: 1, statements: 1 };
    /// An instruction that takes long.
    pub const QUOTIENT: Cost = Cost { again: 4, statements: 1 };
    /// The same, whose lanes are chosen as those of a longer function.
    pub const ROOT: Cost = Cost { again: 4, statements: 16 };
    /// An element at an index that is read first.
    pub const LOOKUP: Cost = Cost { again: 4, statements: 4 };
    /// A polynomial and what belongs to it.
    pub const TRANSCENDENTAL: Cost = Cost { again: 16, statements: 16 };
    /// Rounds of a cipher.
    pub const RANDOM: Cost = Cost { again: 64, statements: 64 };
}

/// What a function of one operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnaryFacts {
    /// `log1p`.
    pub name: &'static str,
    /// Element types of the operand.
    pub takes: Takes,
    /// Element type of the result, if it is not the operand's.
    pub gives: Option<ElementType>,
    /// What its derivative is made of.
    pub slope: Slope,
    /// How large it is.
    pub bound: Bound,
    /// What it makes of finite numbers.
    pub of_finite: OfFinite,
    /// An operand that is infinite or NaN certainly makes the result infinite or NaN.
    pub hands_on: bool,
    /// What it costs.
    pub cost: Cost,
}

impl Unary {
    /// Its row.
    pub fn facts(self) -> UnaryFacts {
        use OfFinite::{Others, Plain};
        match self {
            Unary::Neg => UnaryFacts { slope: Slope::Number, ..sign_change("neg") },
            Unary::Exp => UnaryFacts { of_finite: Others, ..smooth("exp") },
            Unary::Expm1 => UnaryFacts { of_finite: Others, ..smooth("expm1") },
            Unary::Log => UnaryFacts { of_finite: Others, hands_on: true, ..smooth("log") },
            Unary::Log1p => UnaryFacts { of_finite: Others, hands_on: true, ..smooth("log1p") },
            Unary::Sqrt => {
                UnaryFacts { of_finite: Others, hands_on: true, cost: Cost::ROOT, ..smooth("sqrt") }
            }
            Unary::Tanh => UnaryFacts { bound: Bound::One, ..smooth("tanh") },
            Unary::Logistic => UnaryFacts { bound: Bound::One, ..smooth("logistic") },
            Unary::Softplus => smooth("softplus"),
            Unary::Sin => smooth("sin"),
            Unary::Cos => smooth("cos"),
            Unary::Erf => UnaryFacts { bound: Bound::One, ..smooth("erf") },
            Unary::NormalCdf => smooth("normal_cdf"),
            Unary::Bell => smooth("bell"),
            Unary::Abs => sign_change("abs"),
            Unary::Sign => UnaryFacts { takes: Takes::Numbers, bound: Bound::One, ..step("sign") },
            Unary::Floor => step("floor"),
            Unary::IsFinite => UnaryFacts { gives: Some(ElementType::Bool), ..step("is_finite") },
            Unary::Ordinal => UnaryFacts { gives: Some(ElementType::U32), ..step("ordinal") },
            Unary::Not => UnaryFacts { takes: Takes::Bits, of_finite: Plain, ..step("not") },
        }
    }
}

/// A row of a transcendental function with finite values; a row says what is otherwise.
fn smooth(name: &'static str) -> UnaryFacts {
    UnaryFacts {
        name,
        takes: Takes::Floats,
        gives: None,
        slope: Slope::Function,
        bound: Bound::Unknown,
        of_finite: OfFinite::Finite,
        hands_on: false,
        cost: Cost::TRANSCENDENTAL,
    }
}

/// A row of a function that moves in steps.
fn step(name: &'static str) -> UnaryFacts {
    UnaryFacts { slope: Slope::Zero, cost: Cost::LIGHT, ..smooth(name) }
}

/// A row of a function that changes the sign at most.
fn sign_change(name: &'static str) -> UnaryFacts {
    UnaryFacts {
        takes: Takes::Numbers,
        bound: Bound::Operands,
        of_finite: OfFinite::Plain,
        hands_on: true,
        cost: Cost::LIGHT,
        ..smooth(name)
    }
}

/// What a function of two operands is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BinaryFacts {
    /// `shift_left`.
    pub name: &'static str,
    /// Element types of the operands, and of the result.
    pub takes: Takes,
    /// What its derivatives are made of.
    pub slopes: [Slope; 2],
    /// How large it is.
    pub bound: Bound,
    /// What it makes of finite numbers.
    pub of_finite: OfFinite,
    /// Which operand, if it is infinite or NaN, certainly makes the result so, whatever the other is.
    pub hands_on: [bool; 2],
    /// What it costs.
    pub cost: Cost,
}

impl Binary {
    /// Its row.
    pub fn facts(self) -> BinaryFacts {
        use Slope::{Function, Number, Other};
        let hands_on = [true; 2];
        match self {
            Binary::Add => BinaryFacts { bound: Bound::Sum, hands_on, ..arithmetic("add", Number) },
            Binary::Sub => BinaryFacts { bound: Bound::Sum, hands_on, ..arithmetic("sub", Number) },
            Binary::Mul => BinaryFacts { bound: Bound::Product, hands_on, ..arithmetic("mul", Other) },
            Binary::Div => BinaryFacts {
                takes: Takes::Floats,
                slopes: [Other, Function],
                of_finite: OfFinite::Others,
                // What is divided by ∞ is 0.
                hands_on: [true, false],
                cost: Cost::QUOTIENT,
                ..arithmetic("div", Other)
            },
            Binary::Max => BinaryFacts { bound: Bound::Operands, ..arithmetic("max", Number) },
            Binary::Min => BinaryFacts { bound: Bound::Operands, ..arithmetic("min", Number) },
            Binary::Pow => BinaryFacts {
                takes: Takes::Floats,
                of_finite: OfFinite::Others,
                cost: Cost::TRANSCENDENTAL,
                ..arithmetic("pow", Function)
            },
            Binary::And => bitwise("and", Takes::Bits),
            Binary::Or => bitwise("or", Takes::Bits),
            Binary::Xor => bitwise("xor", Takes::Bits),
            Binary::ShiftLeft => bitwise("shift_left", Takes::Integers),
            Binary::ShiftRight => bitwise("shift_right", Takes::Integers),
            Binary::Threefry => BinaryFacts { cost: Cost::RANDOM, ..bitwise("threefry", Takes::Integers) },
        }
    }
}

/// A row of one instruction on numbers; a row says what is otherwise.
fn arithmetic(name: &'static str, slope: Slope) -> BinaryFacts {
    BinaryFacts {
        name,
        takes: Takes::Numbers,
        slopes: [slope; 2],
        bound: Bound::Unknown,
        of_finite: OfFinite::Plain,
        hands_on: [false; 2],
        cost: Cost::LIGHT,
    }
}

/// A row of an instruction on bits.
fn bitwise(name: &'static str, takes: Takes) -> BinaryFacts {
    BinaryFacts { takes, ..arithmetic(name, Slope::Zero) }
}

impl Compare {
    /// `less_equal`.
    pub fn name(self) -> &'static str {
        match self {
            Compare::Equal => "equal",
            Compare::NotEqual => "not_equal",
            Compare::Less => "less",
            Compare::LessEqual => "less_equal",
            Compare::Greater => "greater",
            Compare::GreaterEqual => "greater_equal",
        }
    }
}

/// What a way to fold is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReductionFacts {
    /// `sum`.
    pub name: &'static str,
    /// What makes one of two.
    pub function: Binary,
    /// How large the result is, against an element.
    pub bound: Bound,
    /// What its derivative is made of.
    pub slope: Slope,
    /// An element that is infinite or NaN certainly makes the result infinite or NaN.
    pub hands_on: bool,
}

impl Reduction {
    /// Its row.
    pub fn facts(self) -> ReductionFacts {
        let extremum = |name, function| ReductionFacts {
            name,
            function,
            bound: Bound::Operands,
            slope: Slope::Function,
            hands_on: false,
        };
        match self {
            Reduction::Sum => ReductionFacts {
                name: "sum",
                function: Binary::Add,
                bound: Bound::Unknown,
                slope: Slope::Number,
                hands_on: true,
            },
            Reduction::Max => extremum("max", Binary::Max),
            Reduction::Min => extremum("min", Binary::Min),
        }
    }

    /// What folding no elements gives, and folding begins with.
    pub fn of_nothing(self, element: ElementType) -> f64 {
        match (self, element) {
            (Reduction::Sum, _) => 0.0,
            (Reduction::Max, ElementType::I32) => f64::from(i32::MIN),
            (Reduction::Max, ElementType::U32 | ElementType::Bool) => 0.0,
            (Reduction::Max, ElementType::F32 | ElementType::F64) => f64::NEG_INFINITY,
            (Reduction::Min, ElementType::I32) => f64::from(i32::MAX),
            (Reduction::Min, ElementType::U32) => f64::from(u32::MAX),
            (Reduction::Min, ElementType::Bool) => 1.0,
            (Reduction::Min, ElementType::F32 | ElementType::F64) => f64::INFINITY,
        }
    }
}
