//! Which signs stand where nobody looked? A matrix of ±1 of which a tenth is seen, completed by factors; a tensor of three ways; and a
//! matrix that factors do not complete.
//!
//! Rows and columns are of four hidden kinds each, and their kinds decide the sign: a matrix of rank 4. Each row and each column gets a
//! vector, their product is the score of +1, and the logistic loss of the signs that are seen trains them. The same with three vectors
//! completes a tensor.
//!
//! When does one need more than factors? Where rank is high although the rule is simple. Rows and columns of the last matrix are places in
//! a square, and the sign says whether two places are neither near nor far, but between: a ring. Factors need more numbers for it than a
//! tenth of the signs can tell. A small network that is given the places has the rule to learn, and nothing for each row.
//!
//! ```sh
//! cargo run --release --example signs            # pictures go to target/pictures
//! cargo run --release --example signs folder
//! ```

use downhill::pictures::{Curves, Grid, Series, curves, grid};
use downhill::prelude::*;
use downhill::random::random_bits;
use downhill::view::Data;
use std::path::PathBuf;
use std::process::ExitCode;

network! {
    /// A vector for each row and for each column.
    Factors(side: usize, rank: usize) {
        input  i: i32[batch];
        input  j: i32[batch];
        target sign: [batch];
        output score = sum(embedding(i, side, rank) * embedding(j, side, rank), axes: [1]);
        loss logistic(score, sign);
    }

    /// A vector for each index of each of three ways.
    ThreeWays(side: usize, rank: usize) {
        input  i: i32[batch];
        input  j: i32[batch];
        input  k: i32[batch];
        target sign: [batch];
        let pair = embedding(i, side, rank) * embedding(j, side, rank);
        output score = sum(pair * embedding(k, side, rank), axes: [1]);
        loss logistic(score, sign);
    }

    /// A rule about two places.
    Rule(hidden: usize) {
        input  places: [batch, 4];
        target sign: [batch];
        let h = relu(linear(relu(linear(places, hidden)), hidden));
        output score = reshape(linear(h, 1), [batch]);
        loss logistic(score, sign);
    }
}

const SIDE: usize = 300;
const THREE_SIDE: usize = 60;
const RANKS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const EPOCHS: u64 = 30;
const GOOD: f64 = 0.9;

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    let pairs = entries(SIDE, 2);
    let kinds = Signs::by_index(&pairs, |pair| by_kind(pair, SIDE))?;
    let ring = Signs::by_index(&pairs, between)?;
    println!("{SIDE} × {SIDE} signs: kinds of rank {}, a ring of rank {}", kinds.rank(), ring.rank());
    println!("of the nine tenths that were not seen, the share that is right");

    let (of_kinds, mut pictures) = by_factors(&kinds)?;
    let (of_ring, ring_pictures) = by_factors(&ring)?;
    pictures.extend(ring_pictures);
    for ((rank, kinds), (_, ring)) in of_kinds.iter().zip(&of_ring) {
        println!("  factors of rank {rank:2}       kinds {kinds:.3}   ring {ring:.3}");
    }

    let places: Vec<f32> = pairs.iter().flatten().flat_map(|&index| place(index)).collect();
    let placed = Signs::new([("places", Tensor::new([pairs.len(), 4], places)?)], ring.signs.clone())?;
    let mut net = Rule::new(64).seed(1).optimizer(adam(0.005)).build()?;
    let (ruled, score) = placed.complete(&mut net)?;
    println!("  a network of places                    ring {ruled:.3}");
    pictures.extend([ring.all(), ring.seen(), shades(&score)].concat());

    let tensor = Signs::by_index(&entries(THREE_SIDE, 3), |triple| by_kind(triple, THREE_SIDE))?;
    let mut net = ThreeWays::new(THREE_SIDE, 8).seed(1).optimizer(adamw(0.03).weight_decay(0.1)).build()?;
    let (three, _) = tensor.complete(&mut net)?;
    println!("{THREE_SIDE} × {THREE_SIDE} × {THREE_SIDE} signs, by factors of rank 8: {three:.3}");

    let series = [
        Series::new("kinds, by factors", of_kinds.iter().copied()).dots(),
        Series::new("ring, by factors", of_ring.iter().copied()).dots(),
        Series::new("ring, by a network of places", RANKS.map(|rank| (rank as f64, ruled))),
    ];
    let options = Curves {
        title: "Signs that were not seen",
        x: "rank",
        y: "share right",
        log_x: true,
        ..Curves::default()
    };
    curves(folder.join("signs.svg"), &series, options)?;
    let options = Grid { columns: 3, scale: Some(1), padding: 6, background: 1.0 };
    grid(folder.join("signs.png"), &Tensor::new([9, SIDE, SIDE], pictures)?, options)?;
    println!(
        "drawn in {}: signs.svg; signs.png, a row each for kinds, the ring by factors, and by a network",
        folder.display()
    );

    let factors_fail = of_ring.iter().all(|&(_, share)| share < 0.8);
    let good = of_kinds[2].1 >= GOOD && three >= GOOD && ruled >= GOOD && factors_fail;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ranks, and the share that is right.
type Shares = Vec<(f64, f64)>;

/// The share that factors of each rank get right, and what those of rank 4 make of the matrix.
fn by_factors(signs: &Signs) -> Result<(Shares, Vec<f32>), downhill::Error> {
    let (mut shares, mut pictures) = (Vec::new(), Vec::new());
    for rank in RANKS {
        let mut net = Factors::new(SIDE, rank).seed(1).optimizer(adamw(0.03).weight_decay(0.1)).build()?;
        let (share, score) = signs.complete(&mut net)?;
        shares.push((rank as f64, share));
        if rank == 4 {
            pictures = [signs.all(), signs.seen(), shades(&score)].concat();
        }
    }
    Ok((shares, pictures))
}

/// The indices of each entry of a matrix or a tensor.
fn entries(side: usize, ways: u32) -> Vec<Vec<usize>> {
    let indices = |entry: usize| (0..ways).rev().map(|way| entry / side.pow(way) % side).collect();
    (0..side.pow(ways)).map(indices).collect()
}

/// There are four kinds, 0 to 3. The sign is the parity of the bits that the first index's kind shares with each of the others': a sum
/// of four products, one for each kind of the first.
fn by_kind(indices: &[usize], side: usize) -> f32 {
    let kind = |index: usize| index * 4 / side;
    let shared = |index: &usize| (kind(indices[0]) & kind(*index)).count_ones();
    if indices[1..].iter().map(shared).sum::<u32>() % 2 == 0 { 1.0 } else { -1.0 }
}

/// Of 300 in a square, 20 in a row.
fn place(index: usize) -> [f32; 2] {
    [(index % 20) as f32 / 19.0, (index / 20) as f32 / 14.0]
}

/// +1 where two places are neither near nor far.
fn between(pair: &[usize]) -> f32 {
    let ([a, b], [c, d]) = (place(pair[0]), place(pair[1]));
    let distance = ((a - c) * (a - c) + (b - d) * (b - d)).sqrt();
    if (0.25..0.6).contains(&distance) { 1.0 } else { -1.0 }
}

/// 1 for +1, 0 for −1.
fn shades(signs: &[f32]) -> Vec<f32> {
    signs.iter().map(|&sign| if sign > 0.0 { 1.0 } else { 0.0 }).collect()
}

/// Signs, with the columns that a network is given for each, and which of them are seen.
struct Signs {
    signs: Vec<f32>,
    all: Dataset,
    seen: Vec<u32>,
}

impl Signs {
    /// With the indices of each entry as columns.
    fn by_index(entries: &[Vec<usize>], sign: impl Fn(&[usize]) -> f32) -> Result<Signs, downhill::Error> {
        let column = |way: usize| entries.iter().map(|entry| entry[way] as i32).collect::<Vec<i32>>();
        let columns = ["i", "j", "k"].into_iter().enumerate().take(entries[0].len());
        let columns = columns.map(|(way, name)| (name, column(way).into()));
        Signs::new(columns, entries.iter().map(|entry| sign(entry)).collect())
    }

    fn new<'a>(
        columns: impl IntoIterator<Item = (&'a str, Tensor)>,
        signs: Vec<f32>,
    ) -> Result<Signs, downhill::Error> {
        let all = Dataset::new(columns.into_iter().chain([("sign", signs.clone().into())]))?;
        let chosen = |entry: &u32| random_bits(1, 0, 0, (*entry).into()).is_multiple_of(10);
        let seen = (0..signs.len() as u32).filter(chosen).collect();
        Ok(Signs { signs, all, seen })
    }

    /// Trains on what is seen. Gives the share of the others that come out right, and the scores of all.
    fn complete(&self, net: &mut Model) -> Result<(f64, Vec<f32>), downhill::Error> {
        let seen = self.all.select(&self.seen)?;
        for seed in 0..EPOCHS {
            net.epoch(&seen, Epoch { batch: 64, seed })?;
        }
        let inputs: Vec<(&str, &dyn Data)> = self
            .all
            .columns()
            .filter(|(name, _)| *name != "sign")
            .map(|(name, column)| (name, column as _))
            .collect();
        let outputs = net.forward_with(&inputs)?;
        let score = outputs.get("score")?.as_f32()?;
        let unseen = (0..self.signs.len()).filter(|&entry| self.seen.binary_search(&(entry as u32)).is_err());
        let (right, count) = unseen.fold((0, 0), |(right, count), entry| {
            (right + usize::from(score[entry] * self.signs[entry] > 0.0), count + 1)
        });
        Ok((right as f64 / count as f64, score.to_vec()))
    }

    fn all(&self) -> Vec<f32> {
        shades(&self.signs)
    }

    /// Grey where nothing is seen.
    fn seen(&self) -> Vec<f32> {
        let mut shades = vec![0.5; self.signs.len()];
        self.seen.iter().for_each(|&entry| shades[entry as usize] = 0.5 + 0.5 * self.signs[entry as usize]);
        shades
    }

    /// The rank of a square matrix: how many rows are no sums of those before them, by Gram and Schmidt's method.
    fn rank(&self) -> usize {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for row in self.signs.chunks(self.signs.len().isqrt()) {
            let mut rest: Vec<f64> = row.iter().map(|&sign| f64::from(sign)).collect();
            for direction in &basis {
                let along: f64 = rest.iter().zip(direction).map(|(a, b)| a * b).sum();
                rest.iter_mut().zip(direction).for_each(|(a, b)| *a -= along * b);
            }
            let length = rest.iter().map(|a| a * a).sum::<f64>().sqrt();
            if length > 1e-6 {
                basis.push(rest.iter().map(|a| a / length).collect());
            }
        }
        basis.len()
    }
}
