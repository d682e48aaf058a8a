//! Handwritten digits: a network learns to read them, from a file to an accuracy.
//!
//! The data is in the repository (`data/README.md` says where it is from): 1,797 digits of 8×8 pixels. Four fifths train, the
//! rest is never trained on and tells how well the network reads. Each training digit is shown in five places: as it is, and moved
//! by a pixel up, down, left and right.
//!
//! ```sh
//! cargo run --release --example digits
//! cargo run --release --example digits 2    # another seed: of the split, the weights and the orders of rows
//! ```

use downhill::prelude::*;
use std::error::Error;
use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

network! {
    /// 64 pixels, one hidden layer, a score for each digit.
    Digits(hidden: usize) {
        input  x: [batch, 64];
        target digit: i32[batch];

        let h = relu(linear(x, hidden));

        output score = linear(h, 10);
        loss   cross_entropy(score, digit);
    }
}

const EPOCHS: u64 = 20;
const BATCH: usize = 32;
/// Of the first epoch; it falls along half a cosine towards 0. Nothing is compiled again for it.
const LEARNING_RATE: f32 = 1.0;
const GOOD: f64 = 0.97;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let (training, validation) = split(&digits()?, 0.2, seed)?;
    let training = moved(&training)?;
    let (x, digit) = (validation.column("x")?, validation.column("digit")?);

    let mut net = Digits::new(256).seed(seed).optimizer(sgd(LEARNING_RATE)).batch_sizes([BATCH]).build()?;
    println!("{} pictures to learn from, {} to be examined on", training.rows(), validation.rows());
    println!("compiled in {:.1} ms", net.compile_time().as_secs_f64() * 1e3);

    let start = Instant::now();
    let (mut learning, mut accurate) = (Duration::ZERO, 0.0);
    for epoch in 0..EPOCHS {
        let done = epoch as f32 / EPOCHS as f32;
        net.set_learning_rate(LEARNING_RATE * (0.5 + 0.5 * (std::f32::consts::PI * done).cos()))?;
        let report = net.epoch(&training, Epoch { batch: BATCH, seed: seed ^ epoch })?;
        learning += report.time;
        accurate = accuracy(&net.forward(x)?, digit)?;
        println!("epoch {:2}   loss {:.4}   validation accuracy {accurate:.4}", epoch + 1, report.mean());
    }
    let steps = net.steps_made();
    println!("{steps} steps, {:.0} a second", steps as f64 / learning.as_secs_f64());
    println!("trained and examined in {:.2} s", start.elapsed().as_secs_f64());
    println!("validation accuracy {accurate:.4}");
    Ok(if accurate >= GOOD { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pixels from 0 to 1, and which digit they show. A line of the file is 64 numbers from 0 to 16, then the digit.
fn digits() -> Result<Dataset, Box<dyn Error>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(include_bytes!("../data/digits.csv.gz").as_slice())
        .read_to_string(&mut text)?;
    let (mut pixels, mut digits) = (Vec::<[f32; 64]>::new(), Vec::<i32>::new());
    for line in text.lines() {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
        let (digit, picture) = numbers.split_last().ok_or("an empty line")?;
        let picture: Vec<f32> = picture.iter().map(|shade| shade / 16.0).collect();
        pixels.push(picture.try_into().map_err(|_| "a line without 64 pixels")?);
        digits.push(*digit as i32);
    }
    Ok(Dataset::new([("x", Tensor::from(pixels)), ("digit", Tensor::from(digits))])?)
}

/// Every digit five times: as it is, and moved by a pixel in each direction.
fn moved(data: &Dataset) -> Result<Dataset, downhill::Error> {
    let (x, digit) = (data.column("x")?.as_f32()?, data.column("digit")?.as_i32()?);
    let (mut pixels, mut digits) = (Vec::<[f32; 64]>::new(), Vec::<i32>::new());
    for (picture, &digit) in x.chunks(64).zip(digit) {
        for (down, right) in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)] {
            let shade = |row: i32, column: i32| match (row - down, column - right) {
                (row @ 0..8, column @ 0..8) => picture[(row * 8 + column) as usize],
                _ => 0.0,
            };
            pixels.push(std::array::from_fn(|i| shade(i as i32 / 8, i as i32 % 8)));
            digits.push(digit);
        }
    }
    Dataset::new([("x", Tensor::from(pixels)), ("digit", Tensor::from(digits))])
}
