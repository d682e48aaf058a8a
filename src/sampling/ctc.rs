//! Labels read from the scores of steps that are not aligned with them, as the loss `ctc` teaches them.

use super::beam::Beam;
use super::rows::{Rows, greatest, log_sum_exp};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::collections::BTreeMap;

/// The labels of the likeliest alignment of each sample: the greatest score of each step, equal ones behind each other taken for one, blanks
/// left out. `lengths` says how many steps of each sample count, `i32[batch]`; all without it.
///
/// Other labels may be likelier, as several alignments give the same ones: see [`ctc_search`].
///
/// # Shapes
/// `[batch, time, classes]`, f32.
///
/// # Errors
/// Scores of another shape, or that [`greedy`](super::greedy) refuses; a blank that is no class; lengths of another shape or type, below 0,
/// or beyond the steps.
///
/// # Examples
/// ```
/// use downhill::{sampling::ctc_greedy, tensor::Tensor};
///
/// // 1, 1, blank, 1, 2
/// let steps = [[0.1_f32, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]];
/// let scores = Tensor::new([1, 5, 3], steps.concat())?;
/// assert_eq!(ctc_greedy(&scores, 0, None)?, [[1, 1, 2]]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn ctc_greedy(scores: &Tensor, blank: i32, lengths: Option<&Tensor>) -> Result<Vec<Vec<i32>>, Error> {
    let samples = samples(scores, blank, lengths)?;
    Ok(samples.into_iter().map(|steps| merged(&steps, blank)).collect())
}

/// The classes of the greatest scores, equal ones behind each other as one, without blanks.
fn merged(steps: &[&[f32]], blank: i32) -> Vec<i32> {
    let mut classes: Vec<i32> = steps.iter().map(|scores| greatest(scores) as i32).collect();
    classes.dedup();
    classes.retain(|&class| class != blank);
    classes
}

/// The likeliest labels of each sample, the best first: at most `beams`, as many as are followed from step to step. The probabilities of
/// alignments with the same labels are added up (Graves: Supervised Sequence Labelling with Recurrent Neural Networks, 2012, section 7.5.3;
/// Hannun et al.: First-Pass Large Vocabulary Continuous Speech Recognition; 2014). Scores are brought to probabilities by a softmax, which
/// changes no logarithms of probabilities.
///
/// # Shapes
/// `[batch, time, classes]`, f32.
///
/// # Errors
/// As [`ctc_greedy`]; no beams.
///
/// # Examples
/// ```
/// use downhill::{sampling::{ctc_greedy, ctc_search}, tensor::Tensor};
///
/// // The likeliest alignment is two blanks; but three others have label 1, which together are likelier.
/// let scores = Tensor::new([1, 2, 2], [[0.6_f32.ln(), 0.4_f32.ln()]; 2].concat())?;
/// assert!(ctc_greedy(&scores, 0, None)?[0].is_empty());
/// let best = &ctc_search(&scores, 0, 4, None)?[0][0];
/// assert_eq!(best.classes, [1]);
/// assert!((best.log_probability - 0.64_f64.ln()).abs() < 1e-6);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn ctc_search(
    scores: &Tensor,
    blank: i32,
    beams: usize,
    lengths: Option<&Tensor>,
) -> Result<Vec<Vec<Beam>>, Error> {
    if beams == 0 {
        return Err(misuse("a search with 0 beams was asked for", "`beams` is 1 or more"));
    }
    let samples = samples(scores, blank, lengths)?;
    Ok(samples.into_iter().map(|steps| searched(&steps, blank, beams)).collect())
}

/// The logarithm of the probability of some labels so far, by what the last step was.
#[derive(Clone, Copy)]
struct Ways {
    /// A blank.
    blank: f64,
    /// The last label.
    label: f64,
}

const NONE: Ways = Ways { blank: f64::NEG_INFINITY, label: f64::NEG_INFINITY };

impl Ways {
    fn all(self) -> f64 {
        sum(self.blank, self.label)
    }
}

fn searched(steps: &[&[f32]], blank: i32, beams: usize) -> Vec<Beam> {
    let mut followed = vec![(Vec::new(), Ways { blank: 0.0, label: f64::NEG_INFINITY })];
    for scores in steps {
        let all = log_sum_exp(scores);
        // In the order of labels, so that equals are cut alike on every machine.
        let mut next: BTreeMap<Vec<i32>, Ways> = BTreeMap::new();
        for (labels, ways) in &followed {
            for (class, &score) in scores.iter().enumerate().filter(|(_, score)| **score > f32::NEG_INFINITY)
            {
                extend(&mut next, labels, *ways, (class as i32, f64::from(score) - all), blank);
            }
        }
        // A label that was the last one is one more only behind a blank.
        followed = next.into_iter().filter(|(_, ways)| ways.all() > f64::NEG_INFINITY).collect();
        followed.sort_by(|a, b| b.1.all().total_cmp(&a.1.all()));
        followed.truncate(beams);
    }
    followed
        .into_iter()
        .map(|(classes, ways)| Beam { classes, log_probability: ways.all(), score: ways.all() })
        .collect()
}

/// Adds what some labels become by a step of a class.
fn extend(
    next: &mut BTreeMap<Vec<i32>, Ways>,
    labels: &[i32],
    ways: Ways,
    (class, log): (i32, f64),
    blank: i32,
) {
    let add = |to: &mut f64, ways: f64| *to = sum(*to, ways + log);
    if class == blank {
        return add(&mut next.entry(labels.to_vec()).or_insert(NONE).blank, ways.all());
    }

    let longer = labels.iter().copied().chain([class]).collect();
    if labels.last() == Some(&class) {
        // It is the same label still, or, behind a blank, one more.
        add(&mut next.entry(labels.to_vec()).or_insert(NONE).label, ways.label);
        add(&mut next.entry(longer).or_insert(NONE).label, ways.blank);
    } else {
        add(&mut next.entry(longer).or_insert(NONE).label, ways.all());
    }
}

/// ln(eᵃ + eᵇ).
fn sum(a: f64, b: f64) -> f64 {
    let (most, least) = (a.max(b), a.min(b));
    if most == f64::NEG_INFINITY { most } else { most + libm::log1p(libm::exp(least - most)) }
}

/// The steps of each sample that count.
fn samples<'a>(
    scores: &'a Tensor,
    blank: i32,
    lengths: Option<&Tensor>,
) -> Result<Vec<Vec<&'a [f32]>>, Error> {
    let rows = Rows::of(scores)?;
    let &[batch, time] = rows.leading else {
        return Err(misuse(
            format!("scores of shape {:?} were given", scores.shape()),
            "scores of sequences are [batch, time, classes]",
        ));
    };
    if usize::try_from(blank).map_or(true, |blank| blank >= rows.classes) {
        let classes = rows.classes;
        return Err(misuse(
            format!("the blank is {blank}, but there are {classes} classes"),
            format!("a blank is 0 to {}", classes - 1),
        ));
    }

    let counts = match lengths {
        Some(lengths) => counts(lengths, batch, time)?,
        None => vec![time; batch],
    };
    let all: Vec<&[f32]> = rows.iter().collect();
    Ok(counts.into_iter().enumerate().map(|(n, count)| all[n * time..n * time + count].to_vec()).collect())
}

fn counts(lengths: &Tensor, batch: usize, time: usize) -> Result<Vec<usize>, Error> {
    let help = format!("lengths are i32[{batch}], each 0 to {time}");
    if lengths.shape() != [batch] {
        return Err(misuse(
            format!("lengths of shape {:?} were given for {batch} samples", lengths.shape()),
            help,
        ));
    }
    let count = |(sample, &length): (usize, &i32)| {
        usize::try_from(length).ok().filter(|&count| count <= time).ok_or_else(|| {
            misuse(
                format!("the length of sample {sample} is {length}, but there are {time} steps"),
                help.clone(),
            )
        })
    };
    lengths.as_i32()?.iter().enumerate().map(count).collect()
}
