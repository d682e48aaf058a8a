//! Text in, text out: dates as people write them become dates as machines sort them.
//!
//! ```text
//! wednesday, september 30, 2026  →  2026-09-30
//! the 3rd of march '99           →  1999-03-03
//! ```
//!
//! An encoder reads the letters in both directions. A decoder writes the answer sign by sign; for each it looks back at the letters, and
//! learns by itself where to look: attention (Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and Translate;
//! 2015). Nobody tells it what a month is. The days that it is examined on were in no training pair, in no form.
//!
//! ```sh
//! cargo run --release --example dates                      # where it looks is drawn into target/pictures, or a folder given
//! cargo run --release --example dates "march 3rd, 1999"    # and then a date of your own
//! ```

mod calendar;

use calendar::{DAYS, iso, written};
use downhill::pictures::{HeatMap, heat_map};
use downhill::prelude::*;
use downhill::random::random_bits;
use downhill::sampling::greedy;
use downhill::schedules::cosine;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const LETTERS: &str = " ',./0123456789abcdefghijklmnopqrstuvwxyz";
const SIGNS: &str = "0123456789-";
/// Letters of a written date, filled up with 0; the letters themselves are numbered from 1.
const LONGEST: usize = 30;
/// Signs of an answer. What stands before its first is `BEGIN`.
const ANSWER: usize = 10;
const BEGIN: i32 = SIGNS.len() as i32;
const BATCH: usize = 64;
const SEED: u64 = 1;

network! {
    /// Writes a sign a step. Gives the states that signs are told from, and where each step looked.
    layer decoder(signs: [batch, steps, n], memory: [batch, time, width], hidden: [batch, time], units)
        -> ([batch, steps, units], [batch, steps, time])
    {
        let (states, looks, last) = scan sign in signs along steps, h = zeros([batch, units]) {
            let question = linear(h, width);
            let fit = reshape(memory @ expand(question, 2), [batch, time]) + hidden;
            let look = softmax(fit);
            let seen = reshape(expand(look, 1) @ memory, [batch, width]);
            h = gru_cell(concatenate(sign, seen), h);
            yield h;
            yield look
        };
        (states, looks)
    }

    /// From letters to signs. While it learns, `before` is the right answer moved by one; later, what it has written so far.
    Dates(units: usize) {
        input  letters: i32[batch, 30];
        input  length: i32[batch];
        input  before: i32[batch, 10];
        target date: i32[batch, 10];

        let (memory, ends) = gru(embedding(letters, 42, 24, padding: 0), units, bidirectional: true, lengths: length);
        let hidden = select(letters == 0, -1e9, 0.0);
        let (states, look) = decoder(embedding(before, 12, 24), memory, hidden, units);

        output score = linear(states, 11), look;
        loss   cross_entropy(score, date);
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (folders, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| Path::new(word).is_dir());
    let folder = folders.first().map_or("target/pictures", String::as_str);
    let is_quick = words.first().is_some_and(|word| word == "quick");
    let (epochs, good) = if is_quick { (2, 0.9) } else { (4, 0.99) };

    let own = words.into_iter().next().filter(|_| !is_quick);
    let own = own.unwrap_or("wednesday, september 30, 2026".into());
    letters(std::slice::from_ref(&own))?;

    // The days of the training and those of the examination, each in a form drawn for it.
    let mut days: Vec<u32> = (0..DAYS).collect();
    downhill::epoch::shuffle(&mut days, SEED);
    let (known, unseen) = (&days[..12_000], &days[12_000..13_000]);
    let (training, examination) = (pairs(known)?, pairs(unseen)?);

    let mut net = Dates::new(64).seed(SEED).optimizer(adam(0.003).clip_norm(1.0)).build()?;
    let schedule = cosine(0.003, epochs * training.steps(BATCH) as u64);
    let start = Instant::now();
    let mut right = 0.0;
    for epoch in 0..epochs {
        let rates = schedule.rates(net.steps_made(), training.steps(BATCH));
        let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
        let report = net.epoch_with(&training, Epoch { batch: BATCH, seed: epoch }, options)?;
        right = share_right(&net, &examination)?;
        println!("epoch {:2}   loss {:.4}   exact dates {right:.3}", epoch + 1, report.mean());
    }
    println!("{} steps in {:.1} s", net.steps_made(), start.elapsed().as_secs_f64());

    for &day in &unseen[..8] {
        let letters = &written(day, form(day));
        println!("{letters:>30}  →  {}", read(&net, letters)?.0);
    }
    let (date, looks) = read(&net, &own)?;
    println!("{own:>30}  →  {date}");
    let names = |text: &str| text.chars().map(String::from).collect::<Vec<String>>();
    let title = "Where it looked for each sign that it wrote";
    let (rows, columns) = (&names(&date), &names(&own));
    let picture = Path::new(folder).join("dates.svg");
    heat_map(picture, &looks, HeatMap { title, rows, columns, ..HeatMap::default() })?;
    println!("exact dates {right:.3} of {} days never seen", examination.rows());
    Ok(if right >= good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The form that a day is written in, drawn for its number.
fn form(day: u32) -> u32 {
    random_bits(SEED, day.into(), 0, 0)
}

/// Days as they are written and as they are meant.
fn pairs(days: &[u32]) -> Result<Dataset, Box<dyn Error>> {
    let (mut texts, mut dates) = (Vec::new(), Vec::<[i32; ANSWER]>::new());
    for &day in days {
        texts.push(written(day, form(day)));
        dates.push(numbered(SIGNS, &iso(day)).try_into().map_err(|_| "a date without ten signs")?);
    }
    let before =
        dates.iter().map(|date| std::array::from_fn(|at| if at == 0 { BEGIN } else { date[at - 1] }));
    let (letters, length) = letters(&texts)?;
    Ok(Dataset::new([
        ("letters", letters),
        ("length", length),
        ("before", Tensor::from(before.collect::<Vec<[i32; ANSWER]>>())),
        ("date", Tensor::from(dates)),
    ])?)
}

/// Texts as rows of numbered letters, and how many each has.
fn letters(texts: &[String]) -> Result<(Tensor, Tensor), Box<dyn Error>> {
    let (mut rows, mut lengths) = (Vec::<[i32; LONGEST]>::new(), Vec::<i32>::new());
    for text in texts {
        let numbers = numbered(LETTERS, &text.to_lowercase());
        if numbers.len() != text.chars().count() || numbers.is_empty() || numbers.len() > LONGEST {
            return Err(format!("`{text}`: give 1 to {LONGEST} of these signs: {LETTERS}").into());
        }
        rows.push(std::array::from_fn(|at| numbers.get(at).map_or(0, |letter| letter + 1)));
        lengths.push(numbers.len() as i32);
    }
    Ok((Tensor::from(rows), Tensor::from(lengths)))
}

/// The positions of a text's letters in an alphabet.
fn numbered(alphabet: &str, text: &str) -> Vec<i32> {
    text.chars()
        .filter_map(|letter| alphabet.chars().position(|known| known == letter))
        .map(|at| at as i32)
        .collect()
}

/// Writes the answers sign by sign, each time from what it has written so far. Gives also where each step looked:
/// `[batch, 10, 30]`.
fn answers(
    net: &Model,
    letters: &Tensor,
    length: &Tensor,
) -> Result<(Vec<[i32; ANSWER]>, Tensor), downhill::Error> {
    let mut answers = vec![[0; ANSWER]; length.len()];
    let mut before = vec![[BEGIN; ANSWER]; length.len()];
    loop {
        let outputs = net.forward_all((letters, length, &before))?;
        let signs = greedy(outputs.get("score")?)?;
        answers.as_flattened_mut().copy_from_slice(signs.as_i32()?);
        // What stands before a sign decides it: when nothing there changes any more, all of it is written.
        let earlier = std::mem::replace(&mut before, answers.iter().map(moved).collect());
        if before == earlier {
            return Ok((answers, outputs.get("look")?.clone()));
        }
    }
}

/// An answer with `BEGIN` before it.
fn moved(answer: &[i32; ANSWER]) -> [i32; ANSWER] {
    std::array::from_fn(|at| if at == 0 { BEGIN } else { answer[at - 1] })
}

fn share_right(net: &Model, data: &Dataset) -> Result<f64, downhill::Error> {
    let (found, _) = answers(net, data.column("letters")?, data.column("length")?)?;
    let dates = data.column("date")?.as_i32()?.chunks(ANSWER);
    let right = found.iter().zip(dates).filter(|(found, date)| found[..] == **date).count();
    Ok(right as f64 / data.rows() as f64)
}

/// The date that it reads in a text, and where it looked for each sign: `[10, letters]`.
fn read(net: &Model, text: &str) -> Result<(String, Tensor), Box<dyn Error>> {
    let (rows, length) = letters(&[text.to_owned()])?;
    let (found, looks) = answers(net, &rows, &length)?;
    let date = found[0].iter().filter_map(|&sign| SIGNS.chars().nth(sign as usize)).collect();
    let looks = looks.as_f32()?.chunks(LONGEST).flat_map(|look| &look[..text.chars().count()]);
    Ok((date, Tensor::new([ANSWER, text.chars().count()], looks.copied().collect())?))
}
