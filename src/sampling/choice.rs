//! One class from each row of scores.

use super::rows::{Rows, descending, greatest};
use crate::mistake::misuse;
use downhill_graph::random::{stream_seed, threefry};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// How classes are drawn. By default each comes as often as the softmax of the scores says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What scores are divided by. Below 1 the likely comes more often, above 1 less; at 0 the greatest always comes.
    pub temperature: f64,
    /// Only so many classes of the greatest scores may come; all when `None`. Of equal scores, the first (Fan, Lewis, Dauphin:
    /// Hierarchical Neural Story Generation; 2018).
    pub top_k: Option<usize>,
    /// Only the likeliest classes may come, as few as together have this probability (Holtzman et al.: The Curious Case of Neural
    /// Text Degeneration; 2020). It is taken of what `temperature` and `top_k` leave.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 1.0, top_k: None, top_p: 1.0 }
    }
}

impl Sampling {
    fn check(&self) -> Result<(), Error> {
        let refuse = |name: &str, found: String, help: &str| {
            Err(misuse(format!("`{name}` is {found}"), format!("`{name}` is {help}")))
        };
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", self.temperature.to_string(), "a finite number from 0 on");
        }
        if self.top_k == Some(0) {
            return refuse("top_k", "0".into(), "1 or more, or `None` for all classes");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", self.top_p.to_string(), "above 0 and at most 1");
        }
        Ok(())
    }

    /// The classes of a row that may come, from the likeliest on, with their probabilities.
    fn kept(&self, scores: &[f32]) -> Vec<(usize, f64)> {
        if self.temperature == 0.0 {
            return vec![(greatest(scores), 1.0)];
        }
        let mut classes = descending(scores);
        classes.truncate(self.top_k.unwrap_or(usize::MAX));

        // The greatest is taken off first, so that no exponential overflows.
        let highest = f64::from(scores[classes[0]]);
        let weight = |class: usize| libm::exp((f64::from(scores[class]) - highest) / self.temperature);
        let mut kept: Vec<(usize, f64)> = classes.into_iter().map(|class| (class, weight(class))).collect();

        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        let mut before = 0.0;
        let nucleus = kept.iter().take_while(|(_, weight)| {
            let is_needed = before < self.top_p * total;
            before += weight;
            is_needed
        });
        let count = nucleus.count().max(1);
        kept.truncate(count);

        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        kept.iter_mut().for_each(|(_, weight)| *weight /= total);
        kept
    }
}

/// The class of the greatest score in each row, the first of equals.
///
/// # Shapes
/// `[…, classes]`, f32 → `[…]`, i32.
///
/// # Errors
/// Elements of another type; no axis, no classes; a score that is NaN or +∞; a row of −∞ alone.
///
/// # Examples
/// ```
/// use downhill::{sampling::greedy, tensor::Tensor};
///
/// assert_eq!(greedy(&Tensor::from([[0.5_f32, 0.1, 0.5]]))?, Tensor::from([0]));
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn greedy(scores: &Tensor) -> Result<Tensor, Error> {
    let rows = Rows::of(scores)?;
    let classes = rows.iter().map(|scores| greatest(scores) as i32);
    Ok(Tensor::new(rows.leading, classes.collect::<Vec<i32>>())?)
}

/// The probabilities that [`sample`] draws by: softmax(scores / temperature), 0 for what `top_k` and `top_p` leave out, and the rest
/// scaled to a sum of 1.
///
/// # Shapes
/// `[…, classes]`, f32 → the same.
///
/// # Errors
/// As [`greedy`]; a temperature below 0 or not finite, a `top_k` of 0, a `top_p` that is not above 0 and at most 1.
///
/// # Examples
/// ```
/// use downhill::{sampling::{Sampling, distribution}, tensor::Tensor};
///
/// let two = Sampling { top_k: Some(2), ..Sampling::default() };
/// let p = distribution(&Tensor::from([1.0_f32, 1.0, 0.0]), two)?;
/// assert_eq!(p, Tensor::from([0.5_f32, 0.5, 0.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn distribution(scores: &Tensor, sampling: Sampling) -> Result<Tensor, Error> {
    sampling.check()?;
    let rows = Rows::of(scores)?;
    let mut probabilities = vec![0.0_f32; scores.len()];
    for (scores, probabilities) in rows.iter().zip(probabilities.chunks_exact_mut(rows.classes)) {
        for (class, probability) in sampling.kept(scores) {
            probabilities[class] = probability as f32;
        }
    }
    Ok(Tensor::new(scores.shape(), probabilities)?)
}

/// A class of each row, drawn with the probabilities of [`distribution`]. Rows draw independently; the same seed and scores give the same
/// classes on every machine. A text that is drawn letter by letter takes another seed for each letter.
///
/// # Shapes
/// `[…, classes]`, f32 → `[…]`, i32.
///
/// # Errors
/// As [`distribution`].
///
/// # Examples
/// ```
/// use downhill::{sampling::{Sampling, sample}, tensor::Tensor};
///
/// let scores = Tensor::full([1000, 2], 0.0_f32)?;
/// let heads = sample(&scores, Sampling::default(), 1)?.to_f64_vec().iter().sum::<f64>();
/// assert!((450.0..550.0).contains(&heads));
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn sample(scores: &Tensor, sampling: Sampling, seed: u64) -> Result<Tensor, Error> {
    sampling.check()?;
    let rows = Rows::of(scores)?;
    let drawn = rows.iter().enumerate().map(|(row, scores)| draw(&sampling.kept(scores), uniform(seed, row)));
    Ok(Tensor::new(rows.leading, drawn.collect::<Vec<i32>>())?)
}

/// The class in whose share of 0..1 the number lies. Rounding may leave the shares short of 1: the last one reaches to it.
fn draw(kept: &[(usize, f64)], number: f64) -> i32 {
    let mut above = 0.0;
    let found = kept.iter().find(|(_, probability)| {
        above += probability;
        number < above
    });
    found.or(kept.last()).map_or(0, |&(class, _)| class as i32)
}

/// Separates these random numbers from those that networks draw with the same seed: their streams are counted from 0.
const STREAM: u32 = u32::MAX;

/// A number from 0 to below 1, of 53 random bits.
fn uniform(seed: u64, row: usize) -> f64 {
    let row = row as u64;
    let [low, high] = threefry(stream_seed(seed, STREAM), [row as u32, (row >> 32) as u32]);
    ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 / (1_u64 << 53) as f64
}
