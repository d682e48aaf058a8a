//! Noise in, pictures out: two networks against each other learn to draw handwritten digits.
//!
//! The artist makes a picture of 64 random numbers and the digit that is wished for; the judge says whether a picture of that digit is real.
//! Each has its loss and its optimizer, and each gets better by the other (Goodfellow et al.: Generative Adversarial Nets; 2014. The layers
//! are those of Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional GANs; 2016. The wish meets the judge
//! as in Miyato, Koyama: cGANs with Projection Discriminator; 2018). Whether the pictures are digits is examined by a third network, which has
//! learned to read real ones.
//!
//! ```sh
//! cargo run --release --example gan            # the pictures go to target/pictures, or to a folder that is given
//! cargo run --release --example gan quick      # a few steps: the ink is examined alone
//! ```

mod mnist;

use downhill::pictures::{Grid, grid};
use downhill::prelude::*;
use downhill::random::random_bits;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const NOISE: usize = 64;
const BATCH: usize = 64;
const SIDE: usize = 28;
const SEED: u64 = 1;

network! {
    layer artist(z: [batch, noise], digit: i32[batch]) -> [batch, 1, 28, 28] {
        let wish = concatenate(z, f32(one_hot(digit, 10)), axis: 1);
        let h = reshape(linear(wish, 48 * 7 * 7, bias: false), [batch, 48, 7, 7]);
        h = conv_transpose(relu(batch_norm(h)), 24, kernel: 4, stride: 2, padding: 1, bias: false);
        sigmoid(conv_transpose(relu(batch_norm(h)), 1, kernel: 4, stride: 2, padding: 1))
    }

    layer judge(picture: [batch, 1, 28, 28], digit: i32[batch]) -> [batch] {
        let h = leaky_relu(conv(picture, 16, kernel: 4, stride: 2, padding: 1), slope: 0.2);
        h = leaky_relu(batch_norm(conv(h, 32, kernel: 4, stride: 2, padding: 1, bias: false)), slope: 0.2);
        let seen = dropout(flatten(h), 0.3);
        // Is it a picture, and is it one of this digit?
        reshape(linear(seen, 1), [batch]) + pick(linear(seen, 10), digit)
    }

    /// Two networks in one: what the artist draws goes through the judge, whose gradients tell it what to mend.
    Gan(noise: usize) {
        input z: [batch, noise];
        input digit: i32[batch];
        input real: [batch, 1, 28, 28];

        shared draw = artist;
        shared is_real = judge;
        let fake = draw(z, digit);

        output fake;
        // 0.9 rather than 1: a judge that is never quite certain leaves gradients to learn from.
        loss judge over is_real =
            bce_with_logits(is_real(real, digit), 0.9) + bce_with_logits(is_real(stop_gradient(fake), digit), 0.0);
        loss artist over draw = bce_with_logits(is_real(fake, digit), 1.0);
    }

    /// Reads digits.
    Reader() {
        input  image: [batch, 1, 28, 28];
        target label: i32[batch];
        let h = max_pool(relu(conv(image, 16, kernel: 5, padding: 2)), 2);
        h = max_pool(relu(conv(h, 32, kernel: 5, padding: 2)), 2);
        let score = linear(dropout(relu(linear(flatten(h), 128)), 0.3), 10);
        output probability = softmax(score);
        loss   cross_entropy(score, label);
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = words.iter().any(|word| word == "quick");
    let folder = words.iter().find(|&word| word != "quick").map_or("target/pictures", String::as_str);
    let steps = if is_quick { 40 } else { 1000 };
    let digits = mnist::digits()?;
    let reader = reader(&digits, if is_quick { 1 } else { 3 })?;

    let rule = |rate| adam(rate).betas(0.5, 0.999);
    let network =
        Gan::new(NOISE).seed(SEED).optimizer_for("judge", rule(5e-4)).optimizer_for("artist", rule(1e-3));
    let mut net = network.batch_sizes([BATCH]).build()?;
    train(&mut net, &digits, steps)?;

    // A hundred of each digit, in turn: a column of the picture is a digit.
    let wishes: Vec<i32> = (0..1000).map(|row| row % 10).collect();
    let pictures = net.forward((&noise(u64::MAX, 1000)?, &wishes))?;
    let shown = Tensor::new([80, SIDE, SIDE], pictures.as_f32()?[..80 * SIDE * SIDE].to_vec())?;
    grid(Path::new(folder).join("gan.png"), &shown, Grid { columns: 10, ..Grid::default() })?;

    let counts = recognised(&reader.forward(&pictures)?)?;
    let share = f64::from(counts.iter().sum::<u32>()) / 1000.0;
    println!("read as the digit wished for, with a confidence of 0.9: {share:.3}; of 100 of each {counts:?}");
    let ink = ink(&pictures)? / ink(digits.column("image")?)?;
    println!("ink in a picture: {ink:.2} times as much as in a real one");
    let is_good = if is_quick { ink < 2.5 } else { share >= 0.8 && counts.iter().all(|&count| count > 0) };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Steps of both in turn, on the same random numbers.
fn train(net: &mut Model, digits: &Dataset, steps: u64) -> Result<(), downhill::Error> {
    let start = Instant::now();
    let (mut judge, mut artist) = (0.0, 0.0);
    for step in 0..steps {
        let real =
            digits.select(&(0..BATCH as u64).map(|row| anyone(digits, step, row)).collect::<Vec<u32>>())?;
        let (z, digit) = (noise(step, BATCH)?, real.column("label")?);
        judge += net.step_loss("judge", (&z, digit, real.column("image")?), ())?;
        artist += net.step_loss("artist", (&z, digit), ())?;
        if (step + 1) % (steps / 10) == 0 {
            let mean = |sum: f32| sum / (steps / 10) as f32;
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "step {:4}   judge {:.3}   artist {:.3}   {seconds:.0} s",
                step + 1,
                mean(judge),
                mean(artist)
            );
            (judge, artist) = (0.0, 0.0);
        }
    }
    Ok(())
}

/// Random numbers from −1 to 1, others for each step.
fn noise(step: u64, rows: usize) -> Result<Tensor, downhill::Error> {
    let number = |at: usize| random_bits(SEED, step, 0, at as u64) as f32 / (u32::MAX / 2) as f32 - 1.0;
    Ok(Tensor::new([rows, NOISE], (0..rows * NOISE).map(number).collect::<Vec<f32>>())?)
}

/// The mean shade of a pixel.
fn ink(pictures: &Tensor) -> Result<f32, downhill::Error> {
    Ok(pictures.as_f32()?.iter().sum::<f32>() / pictures.len() as f32)
}

/// A row of the data, drawn for a row of a step.
fn anyone(data: &Dataset, step: u64, row: u64) -> u32 {
    random_bits(SEED, step, 1, row) % data.rows() as u32
}

/// A network that has learned to read nine tenths of the digits, and says how well it reads the others.
fn reader(digits: &Dataset, epochs: u64) -> Result<Model, downhill::Error> {
    let (training, validation) = split(digits, 0.1, SEED)?;
    let mut net = Reader::new().seed(SEED).optimizer(adam(1e-3)).batch_sizes([BATCH]).build()?;
    for seed in 0..epochs {
        net.epoch(&training, Epoch { batch: BATCH, seed })?;
    }
    let right = accuracy(&net.forward(validation.column("image")?)?, validation.column("label")?)?;
    println!("a reader of digits: {right:.3} of those that it never saw");
    Ok(net)
}

/// How often each digit has a probability of 0.9 or more, of pictures that show 0 to 9 in turn.
fn recognised(probabilities: &Tensor) -> Result<[u32; 10], downhill::Error> {
    let mut counts = [0; 10];
    for (row, probabilities) in probabilities.as_f32()?.chunks(10).enumerate() {
        counts[row % 10] += u32::from(probabilities[row % 10] >= 0.9);
    }
    Ok(counts)
}
