//! A policy learns to balance a pole on a cart, by policy gradients, against an environment written in Rust.
//!
//! The environment is CartPole-v1 of Gymnasium (Barto, Sutton and Anderson, 1983), to the letter: the cart is pushed left or right, each
//! step is worth 1, an episode ends when the pole leans over 12° or the cart leaves the track, and after 500 steps. It counts as solved
//! when the mean return of 100 episodes is 475.
//!
//! The policy is one hidden layer and the probability of a push to the right. It is trained by REINFORCE (Williams, 1992): the
//! logarithm of what was done is weighed by how much more was earned from there on than episodes earn on average at that time.
//!
//! ```sh
//! cargo run --release --example cartpole            # the picture goes to target/pictures
//! cargo run --release --example cartpole folder
//! ```

use downhill::pictures::{Curves, Series, curves};
use downhill::prelude::*;
use downhill::random::random_bits;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

network! {
    /// The probability of a push to the right.
    Policy(hidden: usize) {
        input  state: [batch, 4];
        target right: [batch, 1];
        target advantage: [batch, 1];
        let logit = linear(tanh(linear(state, hidden)), 1);
        output p = sigmoid(logit);
        loss mean(advantage * bce_with_logits(logit, right, reduction: none));
    }
}

const CARTS: usize = 32;
const STEPS: usize = 500;
const SOLVED: f64 = 475.0;
/// How much less a reward is worth a step later.
const DISCOUNT: f32 = 0.99;

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    let mut net = Policy::new(32).seed(1).optimizer(adam(0.005)).batch_sizes([CARTS]).build()?;

    let (mut returns, mut steps, mut time) = (Vec::new(), 0, Duration::ZERO);
    for iteration in 0..200 {
        let start = Instant::now();
        let episodes = play(&mut net, iteration, |p, chance| chance < p)?;
        time += start.elapsed();
        let lengths: usize = episodes.iter().map(Vec::len).sum();
        steps += lengths;
        returns.push(lengths as f64 / CARTS as f64);
        if iteration % 10 == 0 {
            println!("iteration {iteration:3}   mean return {:5.1}", returns[iteration as usize]);
        }
        // Three iterations in a row: no luck.
        if returns.len() >= 3 && returns[returns.len() - 3..].iter().all(|&mean| mean > 490.0) {
            break;
        }
        net.epoch(&lessons(&episodes)?, Epoch { batch: 1024, seed: iteration })?;
    }
    println!(
        "{steps} steps of the environment, {:.0} a second with the policy",
        steps as f64 / time.as_secs_f64()
    );

    // The policy as it would be used: always the likelier push; four times 32 episodes that it has never seen.
    let mut lengths = Vec::new();
    for round in 0..4 {
        lengths.extend(play(&mut net, 1_000_000 + round, |p, _| p > 0.5)?.iter().map(Vec::len));
    }
    let mean = lengths[..100].iter().sum::<usize>() as f64 / 100.0;
    println!("mean return of 100 episodes {mean:.1} after {} iterations", returns.len());

    let options =
        Curves { title: "CartPole", x: "iteration of 32 episodes", y: "mean return", ..Curves::default() };
    let solved = Series::new("solved", [(1.0, SOLVED), (returns.len() as f64, SOLVED)]);
    curves(folder.join("cartpole.svg"), &[Series::epochs("REINFORCE", returns), solved], options)?;
    println!("drawn in {}: cartpole.svg", folder.display());
    Ok(if mean >= SOLVED { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was seen, and whether the push was to the right.
type Step = ([f32; 4], bool);

/// An episode of each cart, all at once: `decide` is given the probability of a push to the right and a number from 0 to 1.
fn play(
    net: &mut Model,
    seed: u64,
    decide: impl Fn(f32, f32) -> bool,
) -> Result<Vec<Vec<Step>>, downhill::Error> {
    let mut carts: [Cart; CARTS] = std::array::from_fn(|cart| Cart::new(seed, cart as u64));
    let mut episodes = vec![Vec::new(); CARTS];
    let mut p = [0.0_f32; CARTS];
    for step in 0..STEPS {
        let states = carts.map(|cart| cart.state());
        net.forward_into(&states, &mut p)?;
        for (number, cart) in carts.iter_mut().enumerate().filter(|(_, cart)| cart.stands()) {
            let right = decide(p[number], uniform(seed, 1 + step as u64, number as u64));
            episodes[number].push((states[number], right));
            cart.push(right);
        }
        if !carts.iter().any(Cart::stands) {
            break;
        }
    }
    Ok(episodes)
}

/// What was done, weighed by how much more it earned than is usual.
fn lessons(episodes: &[Vec<Step>]) -> Result<Dataset, downhill::Error> {
    let earned: Vec<Vec<f32>> = episodes.iter().map(|episode| earned(episode.len())).collect();
    let usual = |step: usize| {
        let at: Vec<f32> = earned.iter().filter_map(|earned| earned.get(step)).copied().collect();
        at.iter().sum::<f32>() / at.len() as f32
    };
    let usual: Vec<f32> = (0..earned.iter().map(Vec::len).max().unwrap_or(0)).map(usual).collect();

    let mut advantage: Vec<[f32; 1]> = earned
        .iter()
        .flat_map(|earned| earned.iter().zip(&usual).map(|(earned, usual)| [earned - usual]))
        .collect();
    let square = advantage.iter().map(|[a]| a * a).sum::<f32>() / advantage.len() as f32;
    advantage.iter_mut().for_each(|[a]| *a /= square.sqrt() + 1e-6);

    let steps = || episodes.iter().flatten();
    let state: Vec<[f32; 4]> = steps().map(|&(state, _)| state).collect();
    let right: Vec<[f32; 1]> = steps().map(|&(_, right)| [f32::from(u8::from(right))]).collect();
    Dataset::new([("state", state.into()), ("right", right.into()), ("advantage", Tensor::from(advantage))])
}

/// What is earned from each step of an episode on.
fn earned(length: usize) -> Vec<f32> {
    let mut earned = vec![0.0; length];
    let mut later = 0.0;
    for now in earned.iter_mut().rev() {
        later = 1.0 + DISCOUNT * later;
        *now = later;
    }
    earned
}

/// A number from 0 to 1 that depends on nothing but these.
fn uniform(seed: u64, step: u64, element: u64) -> f32 {
    (random_bits(seed, step, 0, element) >> 8) as f32 / (1 << 24) as f32
}

/// A cart with a pole on it.
#[derive(Clone, Copy)]
struct Cart {
    place: f64,
    speed: f64,
    angle: f64,
    turning: f64,
}

impl Cart {
    fn new(seed: u64, number: u64) -> Cart {
        let small = |element: u64| 0.1 * f64::from(uniform(seed, 0, 4 * number + element)) - 0.05;
        Cart { place: small(0), speed: small(1), angle: small(2), turning: small(3) }
    }

    fn state(&self) -> [f32; 4] {
        [self.place, self.speed, self.angle, self.turning].map(|number| number as f32)
    }

    fn stands(&self) -> bool {
        self.place.abs() <= 2.4 && self.angle.abs() <= 12.0_f64.to_radians()
    }

    /// A push of 10 N over 20 ms, by Euler's method: a cart of 1 kg, a pole of 0.1 kg and 1 m.
    fn push(&mut self, right: bool) {
        const GRAVITY: f64 = 9.8;
        const POLE: f64 = 0.1;
        const ALL: f64 = 1.1;
        const HALF_LENGTH: f64 = 0.5;
        const TIME: f64 = 0.02;
        // The same sine on every machine.
        let (sin, cos) = (libm::sin(self.angle), libm::cos(self.angle));
        let force = if right { 10.0 } else { -10.0 };
        let pushed = (force + POLE * HALF_LENGTH * self.turning * self.turning * sin) / ALL;
        let turn = (GRAVITY * sin - cos * pushed) / (HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / ALL));
        let acceleration = pushed - POLE * HALF_LENGTH * turn * cos / ALL;
        self.place += TIME * self.speed;
        self.speed += TIME * acceleration;
        self.angle += TIME * self.turning;
        self.turning += TIME * turn;
    }
}
