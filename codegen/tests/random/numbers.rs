//! How far compiled f32 may be from the interpreter's f64: an a priori bound, followed op by op.
//!
//! In: bounds of the operands. Out: [`Numbers`] of the result. A value without error is a multiple of a power of two that f32
//! holds exactly, whatever the order of additions; only of such values may a graph ask what jumps (comparisons, rounding, indices),
//! because there a small difference would become a large one.

/// Half a unit in the last place of f32, relative.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// What the lane programs of exp, tanh, … may be off, in roundings; their bounds are tested on their own.
const FUNCTION: f64 = 10.0;

/// What is known of a value's elements, apart from those that are not finite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// None is further from zero.
    pub(crate) most: f64,
    /// All are multiples of 2^−`places`, where `error` is 0.
    pub(crate) places: f64,
    /// How far off f32 may be.
    pub(crate) error: f64,
    /// NaN and infinities may be among them.
    pub(crate) extreme: bool,
}

impl Numbers {
    /// Multiples of 2^−`places` up to `most`.
    pub(crate) fn exact(most: f64, places: i32) -> Numbers {
        Numbers { most, places: f64::from(places), error: 0.0, extreme: false }.rounded()
    }

    /// The same, with NaN and infinities among them.
    pub(crate) fn with_extremes(self) -> Numbers {
        Numbers { extreme: true, ..self }
    }

    /// The same in f32 as in f64.
    pub(crate) fn is_exact(&self) -> bool {
        self.error == 0.0
    }

    /// Small enough, and near enough, to compute further with.
    pub(crate) fn is_tame(&self) -> bool {
        self.most <= 1e6 && self.error <= 1e-3
    }

    /// With the rounding of a result that f32 does not hold exactly.
    fn rounded(mut self) -> Numbers {
        let bits = self.most.max(1.0).log2().ceil() + self.places;
        if self.error > 0.0 || bits > 24.0 {
            self.error += ROUNDING * (self.most + self.error);
        }
        self
    }

    fn computed(most: f64, error: f64, from: &[Numbers]) -> Numbers {
        let extreme = from.iter().any(|numbers| numbers.extreme);
        Numbers { most, places: 0.0, error: error + FUNCTION * ROUNDING * most.max(1e-3), extreme }
    }

    /// Elements of one or of the other.
    pub(crate) fn either(self, other: Numbers) -> Numbers {
        Numbers {
            most: self.most.max(other.most),
            places: self.places.max(other.places),
            error: self.error.max(other.error),
            extreme: self.extreme || other.extreme,
        }
    }

    /// Sum or difference.
    pub(crate) fn plus(self, other: Numbers) -> Numbers {
        let Numbers { places, extreme, .. } = self.either(other);
        Numbers { most: self.most + other.most, places, error: self.error + other.error, extreme }.rounded()
    }

    /// Product. `None` where an infinity may meet a zero that f32 does not see as one.
    pub(crate) fn times(self, other: Numbers) -> Option<Numbers> {
        let extreme = self.extreme || other.extreme;
        let error = self.error * (other.most + other.error) + other.error * self.most;
        let product =
            Numbers { most: self.most * other.most, places: self.places + other.places, error, extreme };
        (!extreme || self.is_exact() && other.is_exact()).then(|| product.rounded())
    }

    /// Sum of `count` such elements, in any order.
    pub(crate) fn summed(self, count: usize) -> Numbers {
        let count = count.max(1) as f64;
        let sum = Numbers { most: self.most * count, error: self.error * count, ..self }.rounded();
        let roundings = if sum.is_exact() { 0.0 } else { count * ROUNDING * sum.most };
        Numbers { error: sum.error + roundings, ..sum }
    }

    /// A function of slope ≤ `slope` and values ≤ `most`.
    pub(crate) fn through(self, most: f64, slope: f64) -> Numbers {
        Numbers::computed(most, self.error * slope, &[self])
    }

    /// Quotient by a divisor ≥ `least`.
    pub(crate) fn over(self, divisor: Numbers, least: f64) -> Numbers {
        let error = self.error / least + self.most * divisor.error / (least * least);
        Numbers::computed(self.most / least, 1.1 * error, &[self, divisor])
    }
}
