//! Pictures in, classes out: convolutional networks tell digits, and the clothes of Fashion-MNIST (Xiao, Rasul, Vollgraf; 2017).
//!
//! `lenet` is two convolutions and two layers, after LeCun et al.: Gradient-Based Learning Applied to Document Recognition (1998).
//! `residual` has blocks whose inputs go past them (He et al.: Deep Residual Learning for Image Recognition; 2016).
//!
//! ```sh
//! cargo run --release --example fashion             # lenet, on 5,000 digits of MNIST that stand in the repository
//! cargo run --release --example fashion lenet       # on Fashion-MNIST
//! cargo run --release --example fashion residual
//! ```
//!
//! Fashion-MNIST is Debian's package `dataset-fashion-mnist`; a folder with its four files may also be given behind the network's name.

mod mnist;

use downhill::data::idx;
use downhill::prelude::*;
use downhill::random::random_bits;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const BATCH: usize = 64;
const SEED: u64 = 1;
const SIDE: usize = 28;

network! {
    LeNet(classes: usize) {
        input  image: [batch, 1, 28, 28];
        target label: i32[batch];
        let h = max_pool(relu(batch_norm(conv(image, 32, kernel: 3, padding: 1))), 2);
        h = max_pool(relu(batch_norm(conv(h, 64, kernel: 3, padding: 1))), 2);
        h = dropout(relu(linear(flatten(h), 128)), 0.3);
        output score = linear(h, classes);
        loss   cross_entropy(score, label);
    }
}

network! {
    layer block(x: [batch, c, h, w], channels, stride) -> [batch, channels, _, _] {
        let y = relu(batch_norm(conv(x, channels, kernel: 3, stride: stride, padding: 1, bias: false)));
        y = batch_norm(conv(y, channels, kernel: 3, padding: 1, bias: false));
        let skip = if stride == 1 { x } else { batch_norm(conv(x, channels, kernel: 1, stride: stride, bias: false)) };
        relu(y + skip)
    }

    Residual(classes: usize) {
        input  image: [batch, 1, 28, 28];
        target label: i32[batch];
        let h = relu(batch_norm(conv(image, 16, kernel: 3, padding: 1, bias: false)));
        h = block(h, 32, stride: 2);
        h = block(h, 64, stride: 2);
        h = block(h, 64, stride: 1);
        output score = linear(dropout(global_average_pool(h), 0.2), classes);
        loss   cross_entropy(score, label);
    }
}

/// What is learned, how long, and which accuracy is asked for.
struct Task {
    training: Dataset,
    examination: Dataset,
    epochs: u64,
    rate: f64,
    good: f64,
    /// Are pictures shown as in a mirror too? Shoes are still shoes then, digits no digits.
    mirror: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, folder) = match words[..] {
        [] | ["quick"] => {
            let (epochs, good) = if words.is_empty() { (8, 0.97) } else { (1, 0.9) };
            let (training, examination) = split(&mnist::digits()?, 0.2, SEED)?;
            let task = Task { training, examination, epochs, rate: 0.003, good, mirror: false };
            return learn(LeNet::new(10).optimizer(adam(task.rate)), &task);
        }
        [name @ ("lenet" | "residual")] => (name, Path::new("/usr/share/datasets/fashion-mnist")),
        [name @ ("lenet" | "residual"), folder] => (name, Path::new(folder)),
        _ => return Err("say `lenet` or `residual`, and where Fashion-MNIST is; or nothing".into()),
    };
    if !folder.join("train-images-idx3-ubyte.gz").exists() {
        println!("Fashion-MNIST is not in {}: `apt-get install dataset-fashion-mnist`", folder.display());
        return Ok(ExitCode::from(2));
    }
    let (training, examination) = (clothes(folder, "train")?, clothes(folder, "t10k")?);
    let task = |epochs, rate, good| Task { training, examination, epochs, rate, good, mirror: true };
    if name == "lenet" {
        let task = task(6, 0.002, 0.915);
        return learn(LeNet::new(10).optimizer(adam(task.rate)), &task);
    }
    let task = task(8, 0.1, 0.925);
    learn(Residual::new(10).optimizer(sgd(task.rate).momentum(0.9).nesterov(true).weight_decay(5e-4)), &task)
}

fn learn<N: Network>(network: downhill::build::Build<N>, task: &Task) -> Result<ExitCode, Box<dyn Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let mut net = network.seed(SEED).threads(threads).batch_sizes([BATCH]).build()?;
    let parameters: usize = net.parameters().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    println!("{} pictures to learn from, {parameters} parameters", task.training.rows());

    let start = Instant::now();
    let (image, label) = (task.examination.column("image")?, task.examination.column("label")?);
    let mut accurate = 0.0;
    for epoch in 0..task.epochs {
        let data = varied(&task.training, task.mirror, epoch)?;
        let rates = rates(task, epoch);
        let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
        let report = net.epoch_with(&data, Epoch { batch: BATCH, seed: epoch }, options)?;
        accurate = accuracy(&net.forward(image)?, label)?;
        let (seconds, loss) = (report.time.as_secs_f64(), report.mean());
        println!("epoch {:2}   loss {loss:.4}   accuracy {accurate:.4}   {seconds:.1} s", epoch + 1);
    }
    println!("trained and examined in {:.0} s with {threads} threads", start.elapsed().as_secs_f64());
    println!("accuracy {accurate:.4} on {} pictures never seen", task.examination.rows());
    Ok(if accurate >= task.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The learning rates of an epoch's steps. Over all epochs they rise for a tenth of the way, then fall in a line to 0 (Smith, Topin:
/// Super-Convergence; 2018).
fn rates(task: &Task, epoch: u64) -> Vec<f32> {
    let steps = task.training.steps(BATCH);
    let all = (steps as u64 * task.epochs) as f32;
    let rate = |step: usize| {
        let done = (epoch as f32 * steps as f32 + step as f32 + 0.5) / all;
        task.rate as f32 * (done / 0.1).min((1.0 - done) / 0.9)
    };
    (0..steps).map(rate).collect()
}

fn clothes(folder: &Path, part: &str) -> Result<Dataset, downhill::Error> {
    let image = idx::images(folder.join(format!("{part}-images-idx3-ubyte.gz")))?;
    let label = idx::read(folder.join(format!("{part}-labels-idx1-ubyte.gz")))?;
    Dataset::new([("image", image), ("label", label)])
}

/// Every picture moved by up to a pixel in each direction, and as in a mirror or not: others for each epoch.
fn varied(data: &Dataset, mirror: bool, epoch: u64) -> Result<Dataset, downhill::Error> {
    let image = data.column("image")?;
    let mut pixels = vec![0.0_f32; image.len()];
    let pictures = image.as_f32()?.chunks(SIDE * SIDE).zip(pixels.chunks_mut(SIDE * SIDE));
    for (row, (from, to)) in pictures.enumerate() {
        let bits = random_bits(SEED, epoch, 0, row as u64) as usize;
        let (down, right, mirrored) = (bits % 3, bits / 3 % 3, mirror && bits >> 31 == 1);
        // From and to which rows and columns: one pixel is lost where a picture moves out of its frame.
        for y in 0..SIDE - down.abs_diff(1) {
            let (source, target) = (y + usize::from(down == 0), y + usize::from(down == 2));
            for x in 0..SIDE - right.abs_diff(1) {
                let (column, to_column) = (x + usize::from(right == 0), x + usize::from(right == 2));
                let column = if mirrored { SIDE - 1 - column } else { column };
                to[target * SIDE + to_column] = from[source * SIDE + column];
            }
        }
    }
    let image = Tensor::new(image.shape(), pixels)?;
    Dataset::new([("image", image), ("label", data.column("label")?.clone())])
}
