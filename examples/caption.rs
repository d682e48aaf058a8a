//! Pictures in, text out: a network looks at two handwritten digits and writes their names, letter by letter.
//!
//! ```text
//! [picture of a 3 and a 7]  →  three seven
//! ```
//!
//! Convolutions make 98 places of the picture, each with what is seen there. A recurrence writes; for each letter it looks at the places that
//! it needs (Xu et al.: Show, Attend and Tell; 2015). It is examined on pictures made of digits that were in no training picture.
//!
//! ```sh
//! cargo run --release --example caption          # the pictures go to target/pictures, or to a folder that is given
//! cargo run --release --example caption quick    # learns for some seconds: the loss is examined alone
//! ```

mod mnist;

use downhill::pictures::{Grid, grid};
use downhill::prelude::*;
use downhill::random::random_bits;
use downhill::sampling::{Beam, BeamSearch, beam_search, greedy};
use downhill::schedules::cosine;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Letters are numbered from 1; 0 is the end, and stands behind it too.
const LETTERS: &str = "efghinorstuvwxz ";
const END: i32 = 0;
/// What stands before the first letter.
const BEGIN: i32 = 17;
/// "three three", and the end.
const LONGEST: usize = 12;
const HEIGHT: usize = 28;
const WIDTH: usize = 56;
const BATCH: usize = 64;
const SEED: u64 = 1;

network! {
    /// What is seen at each of 7 × 14 places.
    layer eye(picture: [batch, 1, 28, 56], width) -> [batch, 98, width] {
        let h = relu(batch_norm(max_pool(conv(picture, 16, kernel: 5, padding: 2, bias: false), 2)));
        h = relu(batch_norm(max_pool(conv(h, 32, kernel: 3, padding: 1, bias: false), 2)));
        h = dropout(relu(batch_norm(conv(h, width, kernel: 3, padding: 1, bias: false))), 0.2);
        // Convolutions do not know where they are; the left digit is named first.
        transpose(reshape(h, [batch, width, 98])) + positions(98, width)
    }

    /// Writes a letter a step: gives the states that letters are told from.
    layer hand(letters: [batch, steps, n], places: [batch, count, width], units) -> [batch, steps, units] {
        scan letter in letters along steps, h = zeros([batch, units]) {
            let question = linear(h, width);
            let look = softmax(reshape(places @ expand(question, 2), [batch, count]));
            let seen = reshape(expand(look, 1) @ places, [batch, width]);
            h = gru_cell(concatenate(letter, seen), h);
            yield h
        }
    }

    /// While it learns, `before` is the right text moved by one; later, what it has written so far.
    Caption(units: usize) {
        input  picture: [batch, 1, 28, 56];
        input  before: i32[batch, 12];
        target text: i32[batch, 12];

        let written = hand(embedding(before, 18, 24), eye(picture, 64), units);

        output score = linear(written, 17);
        loss   cross_entropy(score, text);
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = words.iter().any(|word| word == "quick");
    let folder = words.iter().find(|&word| word != "quick").map_or("target/pictures", String::as_str);
    let (epochs, rows): (u64, usize) = if is_quick { (2, 1500) } else { (14, 8000) };
    let (training, unseen) = split(&mnist::digits()?, 0.2, SEED)?;
    let examination = pairs(&unseen, 1000, u64::MAX, 0)?;

    let mut net = Caption::new(96).seed(SEED).optimizer(adam(0.002).clip_norm(1.0)).build()?;
    let schedule = cosine(0.002, epochs * rows.div_ceil(BATCH) as u64);
    let start = Instant::now();
    let (mut loss, mut right) = (f64::NAN, 0.0);
    for epoch in 0..epochs {
        // Other pairs every time, at other places, and slanted by up to three pixels at the edges.
        let data = pairs(&training, rows, epoch, 3)?;
        let rates = schedule.rates(net.steps_made(), data.steps(BATCH));
        let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
        let report = net.epoch_with(&data, Epoch { batch: BATCH, seed: epoch }, options)?;
        loss = report.mean();
        right = share_right(&net, &examination)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("epoch {:2}   loss {loss:.4}   exact texts {right:.3}   {seconds:.0} s", epoch + 1);
    }

    let shown: Vec<u32> = (0..8).collect();
    let pictures = examination.select(&shown)?.column("picture")?.clone();
    grid(
        Path::new(folder).join("caption.png"),
        &pictures,
        Grid { columns: 2, scale: Some(4), padding: 4, background: 0.5 },
    )?;
    for picture in pictures.as_f32()?.chunks(HEIGHT * WIDTH) {
        let found = likeliest(&net, picture)?;
        let listed = found
            .iter()
            .map(|beam| format!("{} ({:.3})", spelled(&beam.classes), beam.log_probability.exp()));
        println!("{}", listed.collect::<Vec<String>>().join("   or "));
    }
    println!("exact texts {right:.3} of {} pictures of digits never seen", examination.rows());
    let is_good = if is_quick { loss <= 1.8 } else { right >= 0.95 };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pictures of two digits side by side, each moved by up to two pixels, and what they show. Another `draw` is other pairs.
/// Digits are slanted by up to `slant` pixels at their upper and lower edges.
fn pairs(digits: &Dataset, count: usize, draw: u64, slant: i32) -> Result<Dataset, downhill::Error> {
    let (image, digit) = (digits.column("image")?.as_f32()?, digits.column("label")?.as_i32()?);
    let mut pixels = vec![0.0_f32; count * HEIGHT * WIDTH];
    let (mut texts, mut before) = (Vec::<[i32; LONGEST]>::new(), Vec::<[i32; LONGEST]>::new());
    for (row, picture) in pixels.chunks_mut(HEIGHT * WIDTH).enumerate() {
        let bits = |number: u32, below: usize| random_bits(SEED, draw, number, row as u64) as usize % below;
        let chosen = [0, 1].map(|side: usize| bits(side as u32, digit.len()));
        for (side, &chosen) in chosen.iter().enumerate() {
            let [down, right, lean] = [2, 4, 6].map(|number| number + side as u32);
            let at = [bits(down, 5) as i32 - 2, bits(right, 5) as i32 - 2 + 28 * side as i32];
            let lean = bits(lean, 2 * slant as usize + 1) as i32 - slant;
            place(&image[chosen * 784..][..784], picture, at, lean);
        }
        let text = numbered(&chosen.map(|chosen| NAMES[digit[chosen] as usize]).join(" "));
        before.push(moved(&text));
        texts.push(text);
    }
    let picture = Tensor::new([count, 1, HEIGHT, WIDTH], pixels)?;
    Dataset::new([("picture", picture), ("before", Tensor::from(before)), ("text", Tensor::from(texts))])
}

/// Draws a digit into a picture, its corner at a row and a column. It leans by so many pixels at its upper and lower edges.
fn place(digit: &[f32], picture: &mut [f32], [down, right]: [i32; 2], lean: i32) {
    for (row, shades) in (0..).zip(digit.chunks(28)) {
        let (row, right) = (row + down, right + lean * (14 - row) / 14);
        for (column, &shade) in (right..).zip(shades) {
            // MNIST's digits have four empty pixels around them: hardly any ink is lost at an edge.
            if (0..HEIGHT as i32).contains(&row) && (0..WIDTH as i32).contains(&column) {
                picture[row as usize * WIDTH + column as usize] += shade;
            }
        }
    }
}

/// A text as numbers of letters, with the end behind it.
fn numbered(text: &str) -> [i32; LONGEST] {
    let number =
        |letter: u8| LETTERS.bytes().position(|known| known == letter).map_or(END, |at| at as i32 + 1);
    std::array::from_fn(|at| text.as_bytes().get(at).map_or(END, |&letter| number(letter)))
}

/// A text, whole or begun, with what stands before its first letter.
fn moved(text: &[i32]) -> [i32; LONGEST] {
    std::array::from_fn(|at| if at == 0 { BEGIN } else { text.get(at - 1).copied().unwrap_or(END) })
}

fn spelled(text: &[i32]) -> String {
    let letters = text.iter().take_while(|&&letter| letter != END);
    letters.filter_map(|&letter| LETTERS.chars().nth(letter as usize - 1)).collect()
}

/// The share of pictures whose text, the likeliest letter each time, is right in every letter.
fn share_right(net: &Model, data: &Dataset) -> Result<f64, downhill::Error> {
    let mut before = vec![[BEGIN; LONGEST]; data.rows()];
    loop {
        let letters = greedy(&net.forward((data.column("picture")?, &before))?)?;
        let texts: Vec<&[i32]> = letters.as_i32()?.chunks(LONGEST).collect();
        // What stands before a letter decides it: when nothing there changes any more, all of it is written.
        let earlier = std::mem::replace(&mut before, texts.iter().map(|text| moved(text)).collect());
        if before == earlier {
            let expected = data.column("text")?.as_i32()?.chunks(LONGEST);
            let right = texts.iter().zip(expected).filter(|(text, expected)| **text == *expected).count();
            return Ok(right as f64 / data.rows() as f64);
        }
    }
}

/// The two likeliest texts of a picture.
fn likeliest(net: &Model, picture: &[f32]) -> Result<Vec<Beam>, downhill::Error> {
    let search = BeamSearch { beams: 2, end: Some(END), length: LONGEST, length_penalty: 0.0 };
    beam_search(search, |texts| {
        let before: Vec<[i32; LONGEST]> = texts.iter().map(|text| moved(text)).collect();
        let pictures = Tensor::new([texts.len(), 1, HEIGHT, WIDTH], picture.repeat(texts.len()))?;
        let score = net.forward((&pictures, &before))?;
        let next = score.as_f32()?.chunks(LONGEST * 17).flat_map(|row| &row[texts[0].len() * 17..][..17]);
        Ok(Tensor::new([texts.len(), 17], next.copied().collect::<Vec<f32>>())?)
    })
}
