//! The directions of L-BFGS, and arithmetic on all parameters as one list of numbers.

use std::collections::VecDeque;

/// What the last steps tell of the second derivatives.
pub(super) struct Directions {
    most: usize,
    steps: VecDeque<Step>,
    /// What H begins with: a multiple of 1.
    scale: f64,
}

/// A step, and how the gradient changed along it.
struct Step {
    moved: Vec<f64>,
    change: Vec<f64>,
    /// 1 / ⟨moved, change⟩
    weight: f64,
}

/// A step tells something only where the gradient grew along it by more than this: the function is convex there.
const CONVEX: f64 = 1e-10;

impl Directions {
    pub(super) fn new(most: usize) -> Directions {
        Directions { most, steps: VecDeque::new(), scale: 1.0 }
    }

    /// −H·g (Nocedal, Wright: algorithm 7.4).
    pub(super) fn next(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter().rev() {
            let share = dot(&step.moved, &direction) * step.weight;
            add(&mut direction, -share, &step.change);
            shares.push(share);
        }
        direction.iter_mut().for_each(|element| *element *= self.scale);
        for (step, share) in self.steps.iter().zip(shares.into_iter().rev()) {
            let back = dot(&step.change, &direction) * step.weight;
            add(&mut direction, share - back, &step.moved);
        }
        direction
    }

    /// Takes in a step of this length along a direction.
    pub(super) fn learn(&mut self, direction: &[f64], length: f64, before: &[f64], behind: &[f64]) {
        let mut change = behind.to_vec();
        add(&mut change, -1.0, before);
        let moved: Vec<f64> = direction.iter().map(|element| element * length).collect();
        let curvature = dot(&change, &moved);
        if curvature > CONVEX {
            if self.steps.len() == self.most {
                self.steps.pop_front();
            }
            self.scale = curvature / dot(&change, &change);
            self.steps.push_back(Step { moved, change, weight: 1.0 / curvature });
        }
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// a ← a + factor·b
pub(super) fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}

/// The greatest magnitude.
pub(super) fn greatest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |most, number| number.abs().max(most))
}
