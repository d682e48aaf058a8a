//! Times of native functions, which code with marks reports while it runs.
//!
//! In: calls of [`mark`] by code that was compiled with marks. Out: [`Marks`], the seconds of each function in each step.

use std::ffi::c_void;
use std::time::Instant;

/// Seconds of each function of an entry, step by step.
#[derive(Debug)]
pub(crate) struct Marks {
    /// A list for each function, which never outgrows the capacity that it was made with.
    pub(crate) samples: Vec<Vec<f64>>,
    /// How many steps have begun.
    step: usize,
    last: Instant,
}

impl Marks {
    /// With capacity for this many steps.
    pub(crate) fn new(functions: usize, steps: usize) -> Marks {
        let samples = (0..functions).map(|_| Vec::with_capacity(steps)).collect();
        Marks { samples, step: 0, last: Instant::now() }
    }

    /// Seconds that a mark adds to each function: those between two marks with nothing between them.
    pub(crate) fn overhead() -> f64 {
        const TRIES: usize = 1000;
        let mut marks = Marks::new(1, TRIES);
        for number in std::iter::repeat_n([0, 1], TRIES).flatten() {
            std::hint::black_box(&mut marks).tell(number);
        }
        middle(&mut marks.samples[0])
    }

    /// Takes the time since the last mark for that of the function that has just ended; 0 begins a step. A function in a loop ends several
    /// times in a step. Allocates nothing and does not panic.
    fn tell(&mut self, number: i64) {
        let now = Instant::now();
        self.step += usize::from(number == 0);
        let function = usize::try_from(number - 1).ok().and_then(|number| self.samples.get_mut(number));
        if let Some(samples) = function {
            let seconds = now.duration_since(self.last).as_secs_f64();
            let is_again = samples.len() >= self.step;
            if let Some(last) = samples.last_mut().filter(|_| is_again) {
                *last += seconds;
            } else if samples.len() < samples.capacity() {
                samples.push(seconds);
            }
        }
        // Taken again: the time spent here belongs to no function.
        self.last = Instant::now();
    }
}

/// The mean of the middle half, which neither a few slow samples nor the coarse steps of a clock show in; 0 of none. Sorts them.
pub(crate) fn middle(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let cut = samples.len() / 4;
    let half = &samples[cut..samples.len() - cut];
    half.iter().sum::<f64>() / half.len().max(1) as f64
}

/// What native code calls: [`downhill_codegen::abi::Mark`].
///
/// # Safety
/// `marks` is null or points to a [`Marks`] that nobody else uses meanwhile.
pub(crate) unsafe extern "C" fn mark(marks: *mut c_void, number: i64) {
    // SAFETY: the caller's promise.
    if let Some(marks) = unsafe { marks.cast::<Marks>().as_mut() } {
        marks.tell(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_ends_the_function_before_it() {
        let mut marks = Marks::new(2, 2);
        let pointer: *mut c_void = std::ptr::from_mut(&mut marks).cast();
        for number in [0, 1, 2, 0, 1, 2, 0, 1, 7, -3] {
            // SAFETY: the pointer is that of `marks`.
            unsafe { mark(pointer, number) };
        }
        // SAFETY: null is nobody's.
        unsafe { mark(std::ptr::null_mut(), 1) };
        assert_eq!(
            marks.samples.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2],
            "no more than there is room for"
        );
        assert!(marks.samples.iter().flatten().all(|&seconds| seconds >= 0.0));
    }

    #[test]
    fn the_middle_half_counts() {
        assert_eq!(middle(&mut [900.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(middle(&mut [2.0, 1.0, 6.0]), 3.0);
        assert_eq!(middle(&mut []), 0.0);
        assert!(Marks::overhead() >= 0.0);
    }
}
