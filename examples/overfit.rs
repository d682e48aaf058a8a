//! Two classifiers without a single mistake on what they were trained on, and a validation set that tells which of them has learned.
//!
//! Sixty points of two half-moons train both. One network is made of steep waves, the other of ReLUs; the waves bend around every point,
//! the ReLUs draw a line between the moons. Both training losses fall to nothing. The validation loss of the waves stays where it was after
//! a few epochs, that of the ReLUs falls too. So the validation set picks, and a test set, which no choice was made by, says what the
//! choice is worth.
//!
//! ```sh
//! cargo run --release --example overfit            # pictures go to target/pictures
//! cargo run --release --example overfit folder
//! ```

use downhill::pictures::{Best, Boundary, Curves, Series, boundary, curves};
use downhill::prelude::*;
use downhill::random::random_bits;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

network! {
    /// Waves, the first of them steep.
    Waves(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = sine(linear(x, hidden, init: siren(first: true)), omega: {OMEGA});
        let z = linear(sine(linear(h, hidden, init: siren())), 1);
        output p = sigmoid(z);
        loss bce_with_logits(z, y);
    }

    /// Two layers of ReLUs.
    Relus(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let z = linear(relu(linear(relu(linear(x, hidden)), hidden)), 1);
        output p = sigmoid(z);
        loss bce_with_logits(z, y);
    }
}

/// How steep: 30 is usual, for pictures.
const OMEGA: f64 = 90.0;
const EPOCHS: u64 = 300;
const TRAINING: u64 = 60;
const VALIDATION: u64 = 200;
const TEST: u64 = 2000;

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    let (training, validation, test) = (moons(1, TRAINING)?, moons(2, VALIDATION)?, moons(3, TEST)?);
    let waves = Waves::new(64).seed(1).optimizer(adam(0.001)).build()?;
    let relus = Relus::new(64).seed(1).optimizer(adam(0.005)).build()?;

    let mut runs = [Run::new("waves", waves), Run::new("ReLUs", relus)];
    for run in &mut runs {
        for seed in 0..EPOCHS {
            run.net.epoch(&training, Epoch { batch: 20, seed })?;
            run.training.push(loss(&mut run.net, &training)?);
            run.validation.push(loss(&mut run.net, &validation)?);
        }
        run.mistakes = 1.0 - right(&mut run.net, &training)?;
        let (name, mistakes) = (run.name, 100.0 * run.mistakes);
        let losses = (last(&run.training), last(&run.validation));
        println!(
            "{name}: {mistakes:.1} % mistakes in training; loss {:.4}, in validation {:.4}",
            losses.0, losses.1
        );
        draw(&folder.join(format!("overfit-{name}.svg")), name, &mut run.net, &training)?;
    }

    let series: Vec<Series<'_>> = runs.iter().flat_map(Run::series).collect();
    let options =
        Curves { title: "Two ways to know sixty points", y: "loss", log: true, ..Curves::default() };
    curves(folder.join("overfit.svg"), &series, options)?;
    println!("drawn in {}: overfit.svg, overfit-waves.svg, overfit-ReLUs.svg", folder.display());

    // The choice is the validation set's; the test set has its say afterwards.
    runs.sort_by(|a, b| last(&a.validation).total_cmp(&last(&b.validation)));
    println!("the validation set picks: {}", runs[0].name);
    let mut tested = Vec::new();
    for run in &mut runs {
        let share = right(&mut run.net, &test)?;
        println!("{}: {:.1} % of {TEST} test points right", run.name, 100.0 * share);
        tested.push(share);
    }
    let learned = runs.iter().all(|run| run.mistakes == 0.0);
    let good = learned && tested[0] >= 0.95 && tested[0] > tested[1] + 0.05;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A network, and its losses after each epoch.
struct Run {
    name: &'static str,
    labels: [String; 2],
    net: Model,
    training: Vec<f32>,
    validation: Vec<f32>,
    /// The share of the training points that it takes for the other class in the end.
    mistakes: f64,
}

impl Run {
    fn new(name: &'static str, net: Model) -> Run {
        let labels = ["training", "validation"].map(|set| format!("{name}, {set}"));
        Run { name, labels, net, training: Vec::new(), validation: Vec::new(), mistakes: f64::NAN }
    }

    fn series(&self) -> [Series<'_>; 2] {
        let [training, validation] = &self.labels;
        [
            Series::epochs(training, self.training.iter().copied()),
            Series::epochs(validation, self.validation.iter().copied()).mark(Best::Least),
        ]
    }
}

fn last(losses: &[f32]) -> f32 {
    losses.last().copied().unwrap_or(f32::NAN)
}

/// Points of two half-moons that reach into each other, with noise.
fn moons(seed: u64, points: u64) -> Result<Dataset, downhill::Error> {
    let uniform =
        |point: u64, element: u64| (random_bits(seed, point, 0, element) >> 8) as f64 / (1 << 24) as f64;
    let (mut x, mut y) = (Vec::<[f32; 2]>::new(), Vec::<[f32; 1]>::new());
    for point in 0..points {
        let upper = point % 2 == 0;
        let angle = std::f64::consts::PI * uniform(point, 0);
        let (across, up) = (libm::cos(angle), libm::sin(angle));
        let (across, up) = if upper { (across, up) } else { (1.0 - across, 0.5 - up) };
        let noise = |element: u64| 0.35 * (uniform(point, element) + uniform(point, element + 1) - 1.0);
        // The moons lie in the square from −1 to 1.
        x.push([((across - 0.5 + noise(1)) / 2.0) as f32, ((up - 0.25 + noise(3)) / 1.5) as f32]);
        y.push([f32::from(u8::from(upper))]);
    }
    Dataset::new([("x", Tensor::from(x)), ("y", Tensor::from(y))])
}

/// The loss on a data set, without training.
fn loss(net: &mut Model, data: &Dataset) -> Result<f32, downhill::Error> {
    let gradients = net.gradients(data.column("x")?, data.column("y")?)?;
    Ok(gradients.loss().unwrap_or(f32::NAN))
}

fn right(net: &mut Model, data: &Dataset) -> Result<f64, downhill::Error> {
    binary_accuracy(&net.forward(data.column("x")?)?, data.column("y")?)
}

fn draw(path: &Path, name: &str, net: &mut Model, data: &Dataset) -> Result<(), downhill::Error> {
    let title = format!("{name}: no mistake on sixty points");
    let options = Boundary { title: &title, range: Some([(-1.2, 1.2), (-1.2, 1.2)]), ..Boundary::default() };
    boundary(path, data.column("x")?, data.column("y")?, |places| net.forward(places), options)
}
