//! A formula of one element each, and its derivative, on a million elements.
//!
//! In: nothing. Out: a [`Differentiator`] that has proved to compute the golden sum and gradient.

use super::golden::{check_close, check_head, check_losses, mean};
use super::numbers::units;
use downhill::prelude::*;

const NAME: &str = "eltwise_1M";
const ELEMENTS: usize = 1 << 20;
const DATA_STREAM: u64 = 1;
/// Elements lie in [−3, 3).
const SCALE: f32 = 3.0;

network! {
    /// The sum of gelu(x)·sigmoid(x) + tanh(x).
    Elementwise() {
        input x: [elements];
        let y = gelu(x) * sigmoid(x) + tanh(x);
        output y;
        loss sum(y);
    }
}

/// The formula's network, for this many elements.
pub(crate) fn build() -> Model {
    Elementwise::new().batch_sizes([ELEMENTS]).build().expect("a network")
}

/// The elements.
pub(crate) fn elements() -> Tensor {
    Tensor::new([ELEMENTS], units(DATA_STREAM, ELEMENTS, SCALE)).expect("elements")
}

/// Computes the sum and its gradient by every element.
pub(crate) struct Differentiator {
    net: Model,
    x: Tensor,
    gradient: Vec<f32>,
}

impl Differentiator {
    /// Builds the network and asserts what it computes.
    pub(crate) fn new() -> Differentiator {
        let mut differentiator =
            Differentiator { net: build(), x: elements(), gradient: vec![0.0; ELEMENTS] };
        check_head(NAME, "x", differentiator.x.as_f32().expect("f32"));
        let into = differentiator.differentiate();
        check_losses(NAME, &[into]);
        check_close(NAME, "gradient.mean", &[mean(&differentiator.gradient) as f32]);
        check_close(NAME, "gradient.first", &differentiator.gradient[..4]);
        let call = differentiator.call();
        assert_eq!(call.loss(), Some(into));
        assert_eq!(call.get("x").expect("x").as_f32().expect("f32"), differentiator.gradient);
        differentiator
    }

    /// The gradient, written where the last one was; the sum.
    pub(crate) fn differentiate(&mut self) -> f32 {
        let gradient = [&mut self.gradient as _];
        self.net.gradients_into(None, ["x"], &self.x, (), gradient).expect("a gradient")
    }

    /// The gradient in a tensor of its own.
    pub(crate) fn call(&mut self) -> Outputs {
        self.net.gradients_of(None, &["x"], &self.x, ()).expect("a gradient")
    }
}
