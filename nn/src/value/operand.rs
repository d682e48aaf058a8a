//! What a function of two takes beside a value: another value, or a literal.

use crate::builder::Value;

/// The second operand of a function of two: a value or a literal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a value of a network nor a number",
    label = "neither a value nor a number",
    note = "give a `Value`, a reference to one, or an f64, f32 or i32"
)]
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
