//! The likeliest sequences, searched for with several at a time.

use super::rows::{Rows, descending, log_sum_exp};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// How sequences are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamSearch {
    /// How many sequences are followed side by side. 1 takes the greatest score each time; so many that none is left out finds the
    /// likeliest sequence of all.
    pub beams: usize,
    /// The class that ends a sequence; `None` when all have the greatest length.
    pub end: Option<i32>,
    /// The greatest length.
    pub length: usize,
    /// The power of the length that logarithms of probabilities are divided by when sequences are compared: 0 compares probabilities,
    /// 1 their mean logarithm; more favours what is long (Wu et al.: Google's Neural Machine Translation System; 2016, of whose formula
    /// this is the simple form).
    pub length_penalty: f64,
}

impl Default for BeamSearch {
    fn default() -> BeamSearch {
        BeamSearch { beams: 4, end: None, length: 20, length_penalty: 1.0 }
    }
}

/// A sequence that [`beam_search`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Beam {
    /// Its classes, the end included where it came.
    pub classes: Vec<i32>,
    /// The logarithm of its probability.
    pub log_probability: f64,
    /// What it was compared by: `log_probability / classes.len()^length_penalty`.
    pub score: f64,
}

/// The sequences that are likeliest, the best first, at most as many as there are beams.
///
/// `scores` is asked once a length for the sequences that are followed, which are all of that length, the first time an empty one: it gives
/// the scores of what may come next.
///
/// # Shapes
/// For n sequences `scores` gives `[n, classes]`, f32.
///
/// # Errors
/// Those of `scores`, as they are. No beams, a length of 0, an end that is no class, a length penalty that is not finite; scores of
/// another shape, or that [`greedy`](super::greedy) refuses.
///
/// # Examples
/// The first class is likelier at first, but what follows the second is certain:
/// ```
/// use downhill::{sampling::{BeamSearch, beam_search}, tensor::Tensor};
///
/// let next = |sequences: &[Vec<i32>]| -> Result<Tensor, downhill::Error> {
///     let row = |sequence: &Vec<i32>| match sequence[..] {
///         [] => [0.6_f32.ln(), 0.4_f32.ln()],
///         [0] => [0.5_f32.ln(), 0.5_f32.ln()],
///         _ => [0.9_f32.ln(), 0.1_f32.ln()],
///     };
///     Ok(Tensor::from(sequences.iter().map(row).collect::<Vec<_>>()))
/// };
/// let search = BeamSearch { beams: 2, length: 2, ..BeamSearch::default() };
/// assert_eq!(beam_search(search, next)?[0].classes, [1, 0]);
/// assert_eq!(beam_search(BeamSearch { beams: 1, ..search }, next)?[0].classes, [0, 0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn beam_search<E: From<Error>>(
    search: BeamSearch,
    mut scores: impl FnMut(&[Vec<i32>]) -> Result<Tensor, E>,
) -> Result<Vec<Beam>, E> {
    search.check()?;
    let (mut followed, mut logs, mut ended) = (vec![Vec::new()], vec![0.0], Vec::new());
    for length in 1..=search.length {
        let given = scores(&followed)?;
        let next = search.candidates(&followed, &logs, &given)?;
        (followed, logs) = (Vec::new(), Vec::new());

        for (rank, (sequence, log_probability)) in next.into_iter().enumerate() {
            let has_ended = sequence.last().copied() == search.end || length == search.length;
            // Twice as many candidates as beams are looked at, so that enough go on where some end; only the first may end.
            if has_ended && rank < search.beams {
                ended.push(search.beam(sequence, log_probability));
            } else if !has_ended && followed.len() < search.beams {
                followed.push(sequence);
                logs.push(log_probability);
            }
        }

        ended.sort_by(|a: &Beam, b| b.score.total_cmp(&a.score));
        ended.truncate(search.beams);
        if followed.is_empty() || search.is_settled(&ended, &logs, length) {
            break;
        }
    }
    Ok(ended)
}

impl BeamSearch {
    fn check(&self) -> Result<(), Error> {
        if self.beams == 0 || self.length == 0 {
            let (beams, length) = (self.beams, self.length);
            return Err(misuse(
                format!("a search with {beams} beams for sequences of at most {length} was asked for"),
                "`beams` and `length` are 1 or more",
            ));
        }
        if !self.length_penalty.is_finite() {
            return Err(misuse(
                format!("`length_penalty` is {}", self.length_penalty),
                "`length_penalty` is a finite number",
            ));
        }
        Ok(())
    }

    /// The likeliest continuations of the sequences by a class, with the logarithms of their probabilities: twice as many as beams.
    fn candidates(
        &self,
        followed: &[Vec<i32>],
        logs: &[f64],
        scores: &Tensor,
    ) -> Result<Vec<(Vec<i32>, f64)>, Error> {
        let rows = Rows::of(scores)?;
        if rows.leading != [followed.len()] {
            return Err(misuse(
                format!("scores of shape {:?} were given for {} sequences", scores.shape(), followed.len()),
                format!("give a row of scores for each: [{}, classes]", followed.len()),
            ));
        }
        if let Some(end) =
            self.end.filter(|&end| usize::try_from(end).map_or(true, |end| end >= rows.classes))
        {
            let classes = rows.classes;
            return Err(misuse(
                format!("`end` is {end}, but there are {classes} classes"),
                format!("`end` is 0 to {}", classes - 1),
            ));
        }

        let mut next = Vec::new();
        for ((sequence, log), scores) in followed.iter().zip(logs).zip(rows.iter()) {
            let all = log_sum_exp(scores);
            for class in descending(scores).into_iter().take(2 * self.beams) {
                next.push((sequence, class as i32, log + f64::from(scores[class]) - all));
            }
        }
        // The sort is stable: of equals, the continuation of the better sequence stays first.
        next.sort_by(|a, b| b.2.total_cmp(&a.2));
        next.truncate(2 * self.beams);
        let possible = next.into_iter().filter(|&(_, _, log)| log > f64::NEG_INFINITY);
        let extended = |sequence: &[i32], class| sequence.iter().copied().chain([class]).collect();
        Ok(possible.map(|(sequence, class, log)| (extended(sequence, class), log)).collect())
    }

    fn beam(&self, classes: Vec<i32>, log_probability: f64) -> Beam {
        let score = self.score(log_probability, classes.len());
        Beam { classes, log_probability, score }
    }

    fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / libm::pow(length as f64, self.length_penalty)
    }

    /// Can nothing that is still followed be better than the worst that has ended? Probabilities only fall; the length that favours
    /// a sequence most is the next one or the greatest.
    fn is_settled(&self, ended: &[Beam], logs: &[f64], length: usize) -> bool {
        let Some(worst) = ended.get(self.beams - 1) else { return false };
        let best = |&log: &f64| self.score(log, length + 1).max(self.score(log, self.length));
        logs.iter().all(|log| best(log) <= worst.score)
    }
}
