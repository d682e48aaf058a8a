//! Optimizers written outside downhill: trained with, compared to a plain computation in f64, their mistakes told in downhill's words.

use downhill::error::Error;
use downhill::optimizer::{UpdateRule, Updates};
use downhill::option::{Allowed, check};
use downhill::prelude::*;
use downhill::random::Initializer;
use downhill::value::{minimum, sign, sqrt, square};

network! {
    /// One linear layer.
    pub Line() {
        input  x: [batch, 3];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

/// Lion (Chen et al.: Symbolic Discovery of Optimization Algorithms; 2023), its learning rate rising over the first steps.
#[derive(Debug)]
struct Lion {
    learning_rate: f64,
    betas: (f64, f64),
    weight_decay: f64,
    rise: f64,
}

const LION: Lion = Lion { learning_rate: 0.01, betas: (0.9, 0.99), weight_decay: 0.1, rise: 5.0 };

impl UpdateRule for Lion {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a first beta", self.betas.0, Allowed::ZeroToOne)?;
        check("a second beta", self.betas.1, Allowed::ZeroToOne)?;
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check("a rise", self.rise, Allowed::AboveZero)
    }

    fn append(&self, updates: &Updates) {
        let rate = updates.learning_rate() * minimum(updates.step() / self.rise, 1.0);
        let (first, second) = self.betas;
        updates.each(|w| {
            let momentum = w.state("momentum", Initializer::Zeros);
            let direction = sign(momentum.value() * first + w.gradient() * (1.0 - first));
            w.set(w.value() - (direction + w.value() * self.weight_decay) * &rate);
            momentum.set(momentum.value() * second + w.gradient() * (1.0 - second));
        });
    }
}

/// RMSProp with momentum (Hinton, 2012), its mean of squares beginning at 1.
#[derive(Debug)]
struct RmsProp {
    learning_rate: f64,
    decay: f64,
    momentum: f64,
}

const RMS_PROP: RmsProp = RmsProp { learning_rate: 0.02, decay: 0.9, momentum: 0.5 };

impl UpdateRule for RmsProp {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a decay", self.decay, Allowed::ZeroToOne)?;
        check("a momentum", self.momentum, Allowed::FromZero)
    }

    fn append(&self, updates: &Updates) {
        updates.each(|w| {
            let squares = w.state("squares", Initializer::Ones);
            let mean = squares.value() * self.decay + square(w.gradient()) * (1.0 - self.decay);
            squares.set(&mean);
            let momentum = w.state("momentum", Initializer::Zeros);
            let velocity = momentum.value() * self.momentum + w.gradient() / sqrt(mean);
            momentum.set(&velocity);
            w.set(w.value() - velocity * updates.learning_rate());
        });
    }
}

/// Points of a line, and how far a step is from it.
fn data() -> (Vec<[f32; 3]>, Vec<[f32; 1]>) {
    let coordinate = |row: usize, step: usize| (row * step % 17) as f32 / 8.0 - 1.0;
    let x: Vec<[f32; 3]> =
        (0..16).map(|row| [coordinate(row, 3), coordinate(row, 5), coordinate(row, 7)]).collect();
    let y = x.iter().map(|[a, b, c]| [2.0 * a - b + 0.5 * c + 0.25]).collect();
    (x, y)
}

/// The gradient of the mean squared error by three weights and a bias, in f64.
fn gradient(w: &[f64; 4], x: &[[f32; 3]], y: &[[f32; 1]]) -> [f64; 4] {
    let mut gradient = [0.0; 4];
    for (x, y) in x.iter().zip(y) {
        let x = [f64::from(x[0]), f64::from(x[1]), f64::from(x[2]), 1.0];
        let error = x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() - f64::from(y[0]);
        for (gradient, x) in gradient.iter_mut().zip(x) {
            *gradient += 2.0 * error * x / 16.0;
        }
    }
    gradient
}

fn weights(net: &Model) -> [f64; 4] {
    let all = ["p.weight", "p.bias"].map(|name| net.parameter(name).expect("a parameter").to_f64_vec());
    all.concat().try_into().expect("four numbers")
}

/// Trains 40 steps beside `expected`, which changes weights as a step should, and gives the losses.
fn follow(mut net: Model, mut expected: impl FnMut(usize, &mut [f64; 4], [f64; 4])) -> Vec<f32> {
    let (x, y) = data();
    let mut w = weights(&net);
    let mut losses = Vec::new();
    for step in 1..=40 {
        losses.push(net.step(&x, &y).expect("a step"));
        let gradient = gradient(&w, &x, &y);
        expected(step, &mut w, gradient);
        for (found, expected) in weights(&net).iter().zip(w) {
            assert!((found - expected).abs() < 1e-5, "step {step}: {found}, not {expected}");
        }
    }
    losses
}

#[test]
fn lion_is_what_its_paper_says() {
    let net = Line::new().seed(3).optimizer(LION).build().expect("a network");
    let states: Vec<&str> = net.states().map(|(name, _)| name).collect();
    assert_eq!(states, ["optimizer.step", "p.weight.momentum", "p.bias.momentum"]);
    let mut momentum = [0.0; 4];
    let losses = follow(net, |step, w, gradient| {
        let rate = 0.01 * (step as f64 / 5.0).min(1.0);
        for i in 0..4 {
            let direction = (0.9 * momentum[i] + 0.1 * gradient[i]).signum();
            w[i] -= rate * (direction + 0.1 * w[i]);
            momentum[i] = 0.99 * momentum[i] + 0.01 * gradient[i];
        }
    });
    assert!(losses[39] < 0.8 * losses[0], "{losses:?}");
}

#[test]
fn rms_prop_is_what_its_formula_says_and_heeds_the_learning_rate() {
    let mut net = Line::new().seed(5).optimizer(RMS_PROP).build().expect("a network");
    assert_eq!(net.state_of("p.weight.squares").expect("a state").to_f64_vec(), [1.0; 3]);
    net.set_learning_rate(0.03).expect("a rate");
    let (mut squares, mut velocity) = ([1.0; 4], [0.0; 4]);
    let losses = follow(net, |_, w, gradient| {
        for i in 0..4 {
            squares[i] = 0.9 * squares[i] + 0.1 * gradient[i] * gradient[i];
            velocity[i] = 0.5 * velocity[i] + gradient[i] / squares[i].sqrt();
            w[i] -= 0.03 * velocity[i];
        }
    });
    assert!(losses[39] < 0.1 * losses[0], "{losses:?}");
}

#[test]
fn options_are_refused_in_downhills_words() {
    let refused = |optimizer: Lion| match Line::new().optimizer(optimizer).build() {
        Ok(_) => panic!("it is taken"),
        Err(error) => error.to_string(),
    };
    let says = refused(Lion { betas: (0.9, 1.0), ..LION });
    assert!(says.contains("a second beta of 1") && says.contains("at least 0 and below 1"), "{says}");
    let says = refused(Lion { learning_rate: -0.1, ..LION });
    assert!(says.contains("a learning rate of -0.1"), "{says}");
    let says = refused(Lion { rise: 1e-50, ..LION });
    assert!(says.contains("a rise of 1e-50, which is 0 in f32"), "{says}");
}

/// A rule that makes the mistake of this number.
#[derive(Debug)]
struct Wrong(usize);

impl UpdateRule for Wrong {
    fn learning_rate(&self) -> f64 {
        0.1
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn append(&self, updates: &Updates) {
        updates.each(|w| match self.0 {
            0 => w.set(updates.learning_rate()),
            1 => {
                w.set(w.gradient());
                w.set(w.value());
            }
            2 => w.set(w.value() * 1e39),
            3 => {}
            _ => {
                w.state("mean", Initializer::Zeros);
                w.state("mean", Initializer::Zeros).set(w.value());
            }
        });
    }
}

#[test]
fn mistakes_of_a_rule_are_told_when_the_step_is_built() {
    let expected = [
        "the optimizer's update of `p.weight` is f32[], not f32[3, 1]",
        "the optimizer updates `p.weight` twice",
        "a number of 1e39, which is inf in f32",
        "the optimizer updates nothing",
        "the optimizer declares state `p.weight.mean`, which there is",
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        let says = match Line::new().optimizer(Wrong(number)).build() {
            Ok(_) => panic!("mistake {number} is not seen"),
            Err(error) => error.to_string(),
        };
        assert!(says.contains(expected) && says.contains("written by the optimizer's rule"), "{says}");
    }
}
