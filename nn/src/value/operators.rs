//! `+ - * /` and unary minus between values and literals.

use super::elementwise::{add, divide, multiply, negate, subtract};
use super::operand::Operand;
use crate::builder::Value;
use std::ops::{Add, Div, Mul, Neg, Sub};

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
