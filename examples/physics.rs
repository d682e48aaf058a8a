//! The heat equation, solved by a network that is shown no solution: the equation itself is the loss.
//!
//! A rod from 0 to 1 begins with the temperature sin πx; its ends are kept at 0. How it cools is u(x, t) with
//!
//! ```text
//! ∂u/∂t = 0.1 ∂²u/∂x²,   u(x, 0) = sin πx,   u(0, t) = u(1, t) = 0
//! ```
//!
//! The network is u = sin πx + t·x·(1 − x)·N(x, t): begin and ends are right whatever N is (Lagaris, Likas and Fotiadis, 1998), and what
//! is left to learn is that both sides of the equation agree. `gradient(gradient(u, x), x)` is the second derivative, and training
//! differentiates it once more, by the weights. The exact solution, e^(−0.1π²t)·sin πx, is used to measure the error alone.
//!
//! ```sh
//! cargo run --release --example physics            # pictures go to target/pictures
//! cargo run --release --example physics folder
//! ```

use downhill::pictures::{Colours, Curves, HeatMap, Series, curves, heat_map};
use downhill::prelude::*;
use std::f64::consts::PI;
use std::path::PathBuf;
use std::process::ExitCode;

network! {
    /// A function of place and time, right at the begin and at both ends.
    layer temperature(x: [batch, 1], t: [batch, 1], width) -> [batch, 1] {
        let h = tanh(linear(concatenate(x, t, axis: 1), width));
        h = tanh(linear(h, width));
        sin({PI} * x) + t * x * (1.0 - x) * linear(h, 1)
    }

    Heat(width: usize) {
        input x: [batch, 1];
        input t: [batch, 1];
        let u = temperature(x, t, width);
        let residual = gradient(u, t) - 0.1 * gradient(gradient(u, x), x);
        output u;
        loss mean(square(residual));
    }
}

const POINTS: usize = 2048;
const EPOCHS: u64 = 200;
const LEARNING_RATE: f32 = 0.01;
/// Places and times at which the solution is measured.
const GRID: usize = 41;
const GOOD: f64 = 1e-3;

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    let places = places()?;
    let mut net = Heat::new(24).seed(1).optimizer(adam(LEARNING_RATE.into())).batch_sizes([128]).build()?;

    let mut losses = Vec::new();
    for epoch in 0..EPOCHS {
        // Down along half a cosine: the last steps are fine ones.
        let done = epoch as f32 / EPOCHS as f32;
        net.set_learning_rate(LEARNING_RATE * (0.5 + 0.5 * (std::f32::consts::PI * done).cos()))?;
        losses.push(net.epoch(&places, Epoch { batch: 128, seed: epoch })?.mean());
        if (epoch + 1) % 50 == 0 {
            println!("epoch {:3}   mean squared residual {:.2e}", epoch + 1, losses[epoch as usize]);
        }
    }

    let (found, errors) = measure(&mut net)?;
    let greatest = errors.iter().fold(0.0_f64, |greatest, error| greatest.max(error.abs()));
    println!("{} steps; greatest error on {GRID} × {GRID} points {greatest:.1e}", net.steps_made());

    let axis: Vec<String> =
        (0..GRID).map(|i| if i % 10 == 0 { along(i).to_string() } else { String::new() }).collect();
    let map = HeatMap { x: "place", y: "time", rows: &axis, columns: &axis, ..HeatMap::default() };
    heat_map(folder.join("physics.svg"), &found, HeatMap { title: "A rod cools", ..map })?;
    let errors = Tensor::new([GRID, GRID], errors)?;
    let map = HeatMap { title: "The network less the exact solution", colours: Colours::Signed, ..map };
    heat_map(folder.join("physics-error.svg"), &errors, map)?;
    let options =
        Curves { title: "Both sides agree", y: "mean squared residual", log: true, ..Curves::default() };
    curves(folder.join("physics-loss.svg"), &[Series::epochs("", losses)], options)?;
    println!("drawn in {}: physics.svg, physics-error.svg, physics-loss.svg", folder.display());
    Ok(if greatest <= GOOD { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the equation is asked to hold: places and times spread evenly over the square.
fn places() -> Result<Dataset, downhill::Error> {
    // Martin Roberts' R₂ sequence: powers of the root of x³ = x + 1.
    let column = |step: f64| -> Tensor {
        (1..=POINTS).map(|i| [(i as f64 * step).fract() as f32]).collect::<Vec<[f32; 1]>>().into()
    };
    Dataset::new([("x", column(0.754877666)), ("t", column(0.569840291))])
}

/// A place or a time on the grid.
fn along(i: usize) -> f64 {
    i as f64 / (GRID - 1) as f64
}

/// The network on the grid, a row for each time, and by how much it differs from the exact solution.
fn measure(net: &mut Model) -> Result<(Tensor, Vec<f64>), downhill::Error> {
    let points: Vec<(f64, f64)> = (0..GRID * GRID).map(|i| (along(i % GRID), along(i / GRID))).collect();
    let x: Vec<f32> = points.iter().map(|&(x, _)| x as f32).collect();
    let t: Vec<f32> = points.iter().map(|&(_, t)| t as f32).collect();
    let found = net.forward((&x, &t))?;
    let exact = points.iter().map(|&(x, t)| (-0.1 * PI * PI * t).exp() * (PI * x).sin());
    let errors = found.to_f64_vec().into_iter().zip(exact).map(|(found, exact)| found - exact).collect();
    Ok((found.reshape([GRID, GRID])?, errors))
}
