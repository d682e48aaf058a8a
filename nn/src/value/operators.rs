//! `+ - * /` and unary minus between values and literals.

use crate::builder::Value;
use crate::value::{add, divide, multiply, negate, subtract};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The second operand of a function of two: a value or a literal.
pub trait Operand {
    /// As a value beside `other`.
    fn beside(self, other: &Value) -> Value;
}

impl Operand for Value {
    fn beside(self, _: &Value) -> Value {
        self
    }
}

impl Operand for &Value {
    fn beside(self, _: &Value) -> Value {
        self.clone()
    }
}

impl Operand for f64 {
    fn beside(self, other: &Value) -> Value {
        other.builder().constant(self)
    }
}

impl Operand for f32 {
    fn beside(self, other: &Value) -> Value {
        f64::from(self).beside(other)
    }
}

impl Operand for i32 {
    fn beside(self, other: &Value) -> Value {
        f64::from(self).beside(other)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $function:ident) => {
        impl<O: Operand> $trait<O> for Value {
            type Output = Value;
            fn $method(self, other: O) -> Value {
                $function(self, other)
            }
        }
        impl<O: Operand> $trait<O> for &Value {
            type Output = Value;
            fn $method(self, other: O) -> Value {
                $function(self, other)
            }
        }
        operator!(literal f64, $trait, $method, $function);
        operator!(literal i32, $trait, $method, $function);
    };
    (literal $literal:ty, $trait:ident, $method:ident, $function:ident) => {
        impl $trait<Value> for $literal {
            type Output = Value;
            fn $method(self, other: Value) -> Value {
                $function(self.beside(&other), other)
            }
        }
        impl $trait<&Value> for $literal {
            type Output = Value;
            fn $method(self, other: &Value) -> Value {
                $function(self.beside(other), other)
            }
        }
    };
}

operator!(Add, add, add);
operator!(Sub, sub, subtract);
operator!(Mul, mul, multiply);
operator!(Div, div, divide);

impl Neg for Value {
    type Output = Value;
    fn neg(self) -> Value {
        negate(self)
    }
}

impl Neg for &Value {
    type Output = Value;
    fn neg(self) -> Value {
        negate(self)
    }
}
