//! Two classifiers without a single mistake on what they were trained on, and a validation set that tells which of them has learned.
//!
//! Sixty points of two half-moons train both. One network is made of steep waves, the other of ReLUs; the waves bend around every point,
//! the ReLUs draw a line between the moons. Both training losses fall to nothing. The validation loss of the waves turns after four
//! epochs, high up; that of the ReLUs falls much further and turns after sixty, where one would stop. So the validation set picks, and a
//! test set, which no choice was made by, says what the choice is worth.
//!
//! ```sh
//! cargo run --release --example overfit            # pictures go to target/pictures
//! cargo run --release --example overfit folder
//! ```

use downhill::fit::Record;
use downhill::pictures::{Best, Boundary, Curves, Series, boundary, curves};
use downhill::prelude::*;
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
const TRAINING: usize = 60;
const VALIDATION: usize = 200;
const TEST: usize = 2000;

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    let (training, validation, test) = (moons(1, TRAINING)?, moons(2, VALIDATION)?, moons(3, TEST)?);
    let waves = Waves::new(64).seed(1).optimizer(adam(0.001)).build()?;
    let relus = Relus::new(64).seed(1).optimizer(adam(0.005)).build()?;

    let mut runs = [Run::new("waves", waves), Run::new("ReLUs", relus)];
    for run in &mut runs {
        // To the end, whatever the validation set says: it is to be seen what happens.
        let options =
            Fit { epochs: 300, batch: 20, validation: Some(&validation), keep_best: false, ..Fit::default() };
        run.history = run.net.fit(&training, options)?.epochs;
        run.mistakes = 1.0 - right(&run.net, &training)?;
        let (name, mistakes) = (run.name, 100.0 * run.mistakes);
        println!("{name}: {mistakes:.1} % mistakes in training; loss in validation {:.4}", run.validation());
        draw(&folder.join(format!("overfit-{name}.svg")), name, &run.net, &training)?;
    }

    let series: Vec<Series<'_>> = runs.iter().flat_map(Run::series).collect();
    let options =
        Curves { title: "Two ways to know sixty points", y: "loss", log: true, ..Curves::default() };
    curves(folder.join("overfit.svg"), &series, options)?;
    println!("drawn in {}: overfit.svg, overfit-waves.svg, overfit-ReLUs.svg", folder.display());

    // The choice is the validation set's; the test set has its say afterwards.
    runs.sort_by(|a, b| a.validation().total_cmp(&b.validation()));
    println!("the validation set picks: {}", runs[0].name);
    let mut tested = Vec::new();
    for run in &runs {
        let share = right(&run.net, &test)?;
        println!("{}: {:.1} % of {TEST} test points right", run.name, 100.0 * share);
        tested.push(share);
    }
    let learned = runs.iter().all(|run| run.mistakes == 0.0);
    let good = learned && tested[0] >= 0.95 && tested[0] > tested[1] + 0.05;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A network, and what happened in its epochs.
struct Run {
    name: &'static str,
    labels: [String; 2],
    net: Model,
    history: Vec<Record>,
    /// The share of the training points that it takes for the other class in the end.
    mistakes: f64,
}

impl Run {
    fn new(name: &'static str, net: Model) -> Run {
        let labels = ["training", "validation"].map(|set| format!("{name}, {set}"));
        Run { name, labels, net, history: Vec::new(), mistakes: f64::NAN }
    }

    /// The validation loss in the end.
    fn validation(&self) -> f64 {
        self.history.last().and_then(|record| record.validation).unwrap_or(f64::NAN)
    }

    fn series(&self) -> [Series<'_>; 2] {
        let [training, validation] = &self.labels;
        let judged = self.history.iter().filter_map(|record| record.validation);
        [
            Series::epochs(training, self.history.iter().map(|record| record.loss)),
            Series::epochs(validation, judged).mark(Best::Least),
        ]
    }
}

/// Points of two half-moons that reach into each other, with noise.
fn moons(seed: u64, points: usize) -> Result<Dataset, downhill::Error> {
    let (mut x, mut y) = (Vec::<[f32; 2]>::new(), Vec::<[f32; 1]>::new());
    for (point, chance) in Tensor::rand([points, 5], seed)?.as_f32()?.chunks(5).enumerate() {
        let upper = point % 2 == 0;
        // The same sine on every machine.
        let (up, across) = libm::sincosf(std::f32::consts::PI * chance[0]);
        let (across, up) = if upper { (across, up) } else { (1.0 - across, 0.5 - up) };
        let noise = [0.35 * (chance[1] + chance[2] - 1.0), 0.35 * (chance[3] + chance[4] - 1.0)];
        // The moons lie in the square from −1 to 1.
        x.push([(across - 0.5 + noise[0]) / 2.0, (up - 0.25 + noise[1]) / 1.5]);
        y.push([if upper { 1.0 } else { 0.0 }]);
    }
    Dataset::new([("x", Tensor::from(x)), ("y", Tensor::from(y))])
}

/// The share of a data set that is told right.
fn right(net: &Model, data: &Dataset) -> Result<f64, downhill::Error> {
    binary_accuracy(&net.predict(data)?, data.column("y")?)
}

fn draw(path: &Path, name: &str, net: &Model, data: &Dataset) -> Result<(), downhill::Error> {
    let title = format!("{name}: no mistake on sixty points");
    let options = Boundary { title: &title, range: Some([(-1.2, 1.2), (-1.2, 1.2)]), ..Boundary::default() };
    boundary(path, data.column("x")?, data.column("y")?, |places| net.forward(places), options)
}
