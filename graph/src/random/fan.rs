//! Fans: how many connections a scale follows.

/// A number of connections that a scale follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Those into an output.
    In,
    /// Those out of an input.
    Out,
    /// The mean of both.
    Mean,
    /// The square of those into an output: a scale that falls with the number itself.
    InSquared,
}

impl Fan {
    pub(super) fn of(self, shape: &[usize]) -> f64 {
        let (fan_in, fan_out) = fans(shape);
        match self {
            Fan::In => fan_in,
            Fan::Out => fan_out,
            Fan::Mean => 0.5 * (fan_in + fan_out),
            Fan::InSquared => fan_in * fan_in,
        }
    }
}

/// (fan in, fan out) of weights laid out `[…, in, out]`, PyTorch's with the last axes swapped: leading axes are a window, which multiplies
/// both. A vector's fans are its length.
pub(super) fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [window @ .., n, m] => {
            let window: f64 = window.iter().map(|&size| size as f64).product();
            (*n as f64 * window, *m as f64 * window)
        }
    }
}
