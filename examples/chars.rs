//! Text in, the next letter out: a small GPT learns to write as a text is written, letter by letter.
//!
//! Four blocks of attention with four heads over the last 64 letters (Vaswani et al.: Attention Is All You Need; 2017). A second network with
//! the same parameters writes: it is given the keys and values of the letters before, so that a letter costs a letter. It learns from the
//! first nine tenths of a text and is examined on the last. Any file will do, or a folder of them; the figures below are for the million letters of Shakespeare that
//! https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt holds.
//!
//! ```sh
//! cargo run --release --example chars input.txt    # 2,000 steps; exits with 1 where the loss of a letter is above 1.90
//! cargo run --release --example chars              # downhill's own sources: it writes Rust, if you do not read too closely
//! cargo run --release --example chars quick        # the same for some seconds
//! ```

use downhill::prelude::*;
use downhill::random::random_bits;
use downhill::sampling::{Sampling, sample};
use downhill::schedules::cosine;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

const CONTEXT: usize = 64;
/// Letters that are read anew when the context is full.
const KEPT: usize = 40;
const BATCH: usize = 12;
const SEED: u64 = 1;

network! {
    layer block(x: [batch, time, width], heads) -> [batch, time, width] {
        let a = x + attention(layer_norm(x, bias: false), heads, causal: true, bias: false);
        a + linear(gelu(linear(layer_norm(a, bias: false), 4 * width, bias: false)), width, bias: false)
    }

    /// The same behind letters whose keys and values are known.
    layer block_behind(x: [batch, time, width], heads, past_keys, past_values) -> ([batch, time, width], [batch, _, width], [batch, _, width]) {
        let (a, keys, values) = attention(
            layer_norm(x, bias: false), heads, causal: true, bias: false, past_keys: past_keys, past_values: past_values
        );
        a = x + a;
        (a + linear(gelu(linear(layer_norm(a, bias: false), 4 * width, bias: false)), width, bias: false), keys, values)
    }

    /// Scores of the next letter, for every place of a text.
    Gpt(letters: usize, width: usize, heads: usize, blocks: usize) {
        input  text: i32[batch, 64];
        target next: i32[batch, 64];

        let h = embedding(text, letters, width, init: normal(0.0, 0.02)) + positions(64, width);
        for _ in 0..blocks { h = block(h, heads); }

        output score = linear(layer_norm(h, bias: false), letters, bias: false, init: normal(0.0, 0.02));
        loss   cross_entropy(score, next);
    }

    /// Scores of the next letter for letters behind others, by the parameters of `Gpt`. Keys and values of all blocks stand beside each other.
    Writer(letters: usize, width: usize, heads: usize, blocks: usize) {
        input  text: i32[batch, time];
        input  place: i32[batch, time];
        input  past_keys: [batch, past, blocks * width];
        input  past_values: [batch, past, blocks * width];

        let h = embedding(text, letters, width) + take(positions(64, width), place);
        let keys = concatenate(slice(past_keys, end: 0), slice(h, end: 0), axis: 1);
        let values = keys;
        for n in 0..blocks {
            let k = slice(past_keys, start: n * width, end: (n + 1) * width);
            let v = slice(past_values, start: n * width, end: (n + 1) * width);
            (h, k, v) = block_behind(h, heads, k, v);
            keys = concatenate(keys, k, axis: -1);
            values = concatenate(values, v, axis: -1);
        }

        output score = linear(layer_norm(h, bias: false), letters, bias: false), keys, values;
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph").join("src");
    let (text, plan) = match std::env::args().nth(1).as_deref() {
        None => (gathered(&own)?, Plan { steps: 1000, width: 96, blocks: 3, good: 1.8 }),
        Some("quick") => (gathered(&own)?, Plan { steps: 300, width: 64, blocks: 2, good: 2.7 }),
        Some(path) => (gathered(Path::new(path))?, Plan { steps: 2000, width: 128, blocks: 4, good: 1.90 }),
    };
    let alphabet = Alphabet::of(&text);
    let numbers = alphabet.numbers(&text);
    if numbers.len() < 20 * CONTEXT {
        return Err(format!("the text has {} letters; give {} or more", numbers.len(), 20 * CONTEXT).into());
    }
    let (training, validation) = numbers.split_at(numbers.len() / 10 * 9);

    let rule = adamw(1.5e-3).betas(0.9, 0.99).weight_decay(0.1).spare_vectors().clip_norm(1.0);
    let network = Gpt::new(alphabet.letters.len(), plan.width, 4, plan.blocks);
    let mut net = network.seed(SEED).optimizer(rule).batch_sizes([BATCH, 1]).build()?;
    let parameters: usize = net.parameters().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    println!(
        "{} letters, {} of them different; {parameters} parameters",
        numbers.len(),
        alphabet.letters.len()
    );

    let start = Instant::now();
    let rise = plan.steps as u64 / 20;
    let schedule = cosine(1.5e-3, plan.steps as u64 - rise).down_to(1.5e-4).warmup(rise, 0.01);
    for step in 0..plan.steps {
        net.set_learning_rate(schedule.rate(step as u64))?;
        let starts: Vec<usize> = (0..BATCH).map(|row| anywhere(training, step as u64, row as u64)).collect();
        let loss = net.step(&windows(training, &starts, 0)?, &windows(training, &starts, 1)?)?;
        if (step + 1) % (plan.steps / 10) == 0 {
            println!("step {:4}   loss {loss:.3}   {:.0} s", step + 1, start.elapsed().as_secs_f64());
        }
    }

    let loss = examined(&net, validation)?;
    let mut writer = Writer::new(alphabet.letters.len(), plan.width, 4, plan.blocks).build()?;
    writer.copy_parameters_from(&net)?;
    let start = Instant::now();
    let text = written(&writer, &alphabet, plan.blocks * plan.width, 500)?;
    let rate = text.chars().count() as f64 / start.elapsed().as_secs_f64();
    println!("\n{text}\n\n{rate:.0} letters a second");
    println!("loss of a letter {loss:.3} in the tenth of the text that it never saw");
    Ok(if loss <= plan.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How much is learned, and how well it must go.
struct Plan {
    steps: usize,
    width: usize,
    blocks: usize,
    good: f64,
}

/// The text of a file, or of all files in a folder.
fn gathered(path: &Path) -> Result<String, std::io::Error> {
    if !path.is_dir() {
        return std::fs::read_to_string(path);
    }
    let within = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut within: Vec<PathBuf> = within.collect::<Result<_, std::io::Error>>()?;
    within.sort();
    within.iter().map(|path| gathered(path)).collect()
}

/// The letters of a text in their order, numbered.
struct Alphabet {
    letters: Vec<char>,
}

impl Alphabet {
    fn of(text: &str) -> Alphabet {
        let letters: std::collections::BTreeSet<char> = text.chars().collect();
        Alphabet { letters: letters.into_iter().collect() }
    }

    fn numbers(&self, text: &str) -> Vec<i32> {
        text.chars()
            .filter_map(|letter| self.letters.binary_search(&letter).ok())
            .map(|at| at as i32)
            .collect()
    }
}

/// Where a window of the text begins, drawn for a row of a step.
fn anywhere(text: &[i32], step: u64, row: u64) -> usize {
    random_bits(SEED, step, 0, row) as usize % (text.len() - CONTEXT)
}

/// The letters of windows that begin at these places, or so many behind.
fn windows(text: &[i32], starts: &[usize], behind: usize) -> Result<Tensor, downhill::Error> {
    let letters = starts.iter().flat_map(|start| &text[start + behind..][..CONTEXT]).copied();
    Ok(Tensor::new([starts.len(), CONTEXT], letters.collect::<Vec<i32>>())?)
}

/// The mean loss of a letter over the text from end to end, in nats.
fn examined(net: &Model, text: &[i32]) -> Result<f64, downhill::Error> {
    let starts: Vec<usize> = (0..text.len() - CONTEXT).step_by(CONTEXT).collect();
    let mut sum = 0.0;
    for starts in starts.chunks(BATCH) {
        let (score, next) = (net.forward(&windows(text, starts, 0)?)?, windows(text, starts, 1)?);
        let classes = score.shape()[2];
        for (score, &letter) in score.as_f32()?.chunks(classes).zip(next.as_i32()?) {
            let all: f32 = score.iter().map(|score| score.exp()).sum();
            sum += f64::from(all.ln() - score[letter as usize]);
        }
    }
    Ok(sum / (starts.len() * CONTEXT) as f64)
}

/// A text of its own, each letter drawn from the likely ones behind the letters before it.
///
/// A letter costs a letter: keys and values of those before it are kept. There are places for 64 letters; when they are full, the last 40
/// are read anew from the first place on, since what a letter's keys are depends on its place. So a letter sees 40 to 64 others.
fn written(net: &Model, alphabet: &Alphabet, width: usize, length: usize) -> Result<String, downhill::Error> {
    let sampling = Sampling { temperature: 0.8, top_k: Some(40), top_p: 0.95 };
    let nothing = || Tensor::new([1, 0, width], Vec::<f32>::new());
    let mut text = vec![alphabet.numbers("\n").first().copied().unwrap_or(0)];
    let (mut keys, mut values, mut first) = (nothing()?, nothing()?, 0);
    while text.len() <= length {
        let known = keys.shape()[1];
        if known == CONTEXT {
            (keys, values, first) = (nothing()?, nothing()?, text.len() - KEPT);
            continue;
        }
        let new = &text[first + known..];
        let letters = Tensor::new([1, new.len()], new.to_vec())?;
        let places = (known as i32..).take(new.len()).collect::<Vec<i32>>();
        let places = Tensor::new([1, new.len()], places)?;
        let given = net.forward_all((&letters, &places, &keys, &values))?;
        let [score, with_keys, with_values] = given.into_array()?;
        (keys, values) = (with_keys, with_values);
        let classes = score.shape()[2];
        let last = score.as_f32()?[(new.len() - 1) * classes..].to_vec();
        let drawn = sample(&Tensor::from(last), sampling, SEED + text.len() as u64)?;
        text.extend(drawn.as_i32()?);
    }
    Ok(text[1..].iter().map(|&letter| alphabet.letters[letter as usize]).collect())
}
