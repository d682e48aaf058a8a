//! Choices from scores: their probabilities, that draws follow them, and that a search finds the likeliest sequence.
#![deny(warnings)]

use downhill::Error;
use downhill::prelude::*;
use downhill::sampling::{
    Beam, BeamSearch, Sampling, beam_search, ctc_greedy, ctc_search, distribution, greedy, sample,
};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_f64_vec()
}

/// Scores whose softmax is exactly what it says.
fn scores_of<const N: usize>(probabilities: [f32; N]) -> Tensor {
    Tensor::from(probabilities.map(f32::ln))
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let differ = found.iter().zip(expected).any(|(found, expected)| (found - expected).abs() > 1e-6);
    assert!(!differ, "{found:?} is not {expected:?}");
}

#[test]
fn a_temperature_sharpens_or_flattens() -> Result<(), Error> {
    let scores = Tensor::from([[1.0_f32, 3.0, 2.0], [0.0, f32::NEG_INFINITY, 0.0]]);
    for temperature in [0.5, 1.0, 3.0] {
        let found = distribution(&scores, Sampling { temperature, ..Sampling::default() })?;
        let weights = [1.0_f64, 3.0, 2.0].map(|score| (score / temperature).exp());
        let total: f64 = weights.iter().sum();
        near(&numbers(&found)[..3], &weights.map(|weight| weight / total));
        near(&numbers(&found)[3..], &[0.5, 0.0, 0.5]);
    }
    let cold = Sampling { temperature: 0.0, ..Sampling::default() };
    near(&numbers(&distribution(&scores, cold)?), &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(sample(&scores, cold, 5)?, greedy(&scores)?);

    // Scores beyond what an exponential holds.
    let large = Tensor::from([30000.0_f32, 29999.0]);
    near(&numbers(&distribution(&large, Sampling::default())?), &[0.7310585786, 0.2689414214]);
    Ok(())
}

#[test]
fn few_classes_are_left() -> Result<(), Error> {
    let scores = scores_of([0.1, 0.4, 0.3, 0.2]);
    let two = Sampling { top_k: Some(2), ..Sampling::default() };
    near(&numbers(&distribution(&scores, two)?), &[0.0, 4.0 / 7.0, 3.0 / 7.0, 0.0]);
    let many = Sampling { top_k: Some(100), ..Sampling::default() };
    near(&numbers(&distribution(&scores, many)?), &[0.1, 0.4, 0.3, 0.2]);
    // 0.4 alone is short of a half, 0.4 + 0.3 is not.
    let nucleus = |top_p| Sampling { top_p, ..Sampling::default() };
    near(&numbers(&distribution(&scores, nucleus(0.5))?), &[0.0, 4.0 / 7.0, 3.0 / 7.0, 0.0]);
    near(&numbers(&distribution(&scores, nucleus(0.75))?), &[0.0, 4.0 / 9.0, 3.0 / 9.0, 2.0 / 9.0]);
    near(&numbers(&distribution(&scores, nucleus(0.01))?), &[0.0, 1.0, 0.0, 0.0]);
    near(&numbers(&distribution(&scores, nucleus(1.0))?), &[0.1, 0.4, 0.3, 0.2]);
    // Of what two classes leave, the first has 4/7.
    near(&numbers(&distribution(&scores, Sampling { top_p: 0.55, ..two })?), &[0.0, 1.0, 0.0, 0.0]);
    // Of equals the first ones.
    let equal = Tensor::from([1.0_f32, 1.0, 1.0]);
    near(&numbers(&distribution(&equal, two)?), &[0.5, 0.5, 0.0]);
    Ok(())
}

#[test]
fn draws_follow_the_probabilities() -> Result<(), Error> {
    let rows = 20_000;
    let row = [0.1_f32, 0.0, 0.55, 0.05, 0.3];
    let scores = Tensor::from(vec![row.map(f32::ln); rows]);
    let drawn = sample(&scores, Sampling::default(), 11)?;
    assert_eq!(drawn.shape(), [rows]);
    let mut counts = [0.0; 5];
    drawn.as_i32()?.iter().for_each(|&class| counts[class as usize] += 1.0 / rows as f64);
    for (count, probability) in counts.into_iter().zip(row.map(f64::from)) {
        let deviation = (probability * (1.0 - probability) / rows as f64).sqrt();
        assert!((count - probability).abs() <= 4.0 * deviation, "{counts:?}");
    }
    assert_eq!(drawn, sample(&scores, Sampling::default(), 11)?);
    assert_ne!(drawn, sample(&scores, Sampling::default(), 12)?);
    Ok(())
}

/// What a seed draws never changes.
#[test]
fn a_seed_draws_the_same_everywhere() -> Result<(), Error> {
    let scores = Tensor::full([2, 6, 10], 0.0_f32)?;
    let drawn = sample(&scores, Sampling::default(), 3)?;
    assert_eq!(drawn.shape(), [2, 6]);
    assert_eq!(drawn.as_i32()?, GOLDEN_DRAWS);
    Ok(())
}

const GOLDEN_DRAWS: [i32; 12] = [9, 8, 9, 2, 8, 4, 4, 4, 2, 8, 2, 1];

/// Scores of three classes that depend on all that came before.
fn next(sequences: &[Vec<i32>]) -> Result<Tensor, Error> {
    let mixed = |sequence: &[i32], class: i32| {
        let number = sequence.iter().fold(17 + class, |number, &class| (number * 31 + class * 7 + 5) % 1009);
        (number * number % 97) as f32 / 30.0
    };
    let rows = sequences.iter().map(|sequence| [0, 1, 2].map(|class| mixed(sequence, class)));
    Ok(Tensor::from(rows.collect::<Vec<_>>()))
}

/// Every sequence there is, with the logarithm of its probability.
fn all(search: BeamSearch) -> Result<Vec<(Vec<i32>, f64)>, Error> {
    let (mut open, mut closed) = (vec![(Vec::new(), 0.0)], Vec::new());
    while let Some((sequence, log)) = open.pop() {
        let p = distribution(&next(std::slice::from_ref(&sequence))?, Sampling::default())?;
        for (class, p) in (0..3).zip(numbers(&p)) {
            let longer = [&sequence[..], &[class]].concat();
            let is_closed = Some(class) == search.end || longer.len() == search.length;
            if is_closed { &mut closed } else { &mut open }.push((longer, log + p.ln()));
        }
    }
    Ok(closed)
}

#[test]
fn enough_beams_find_the_likeliest() -> Result<(), Error> {
    for end in [None, Some(2)] {
        for length_penalty in [-0.5, 0.0, 0.7, 1.0, 3.0] {
            let search = BeamSearch { beams: 81, end, length: 4, length_penalty };
            let score =
                |(sequence, log): &(Vec<i32>, f64)| log / (sequence.len() as f64).powf(length_penalty);
            let mut expected = all(search)?;
            expected.sort_by(|a, b| score(b).total_cmp(&score(a)));
            let found = beam_search(search, next)?;
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.classes, expected.0);
                near(&[found.log_probability, found.score], &[expected.1, score(expected)]);
            }
        }
    }
    Ok(())
}

#[test]
fn a_beam_is_greedy_and_more_are_no_worse() -> Result<(), Error> {
    let search = BeamSearch { beams: 1, end: None, length: 6, length_penalty: 0.0 };
    let mut walked = Vec::new();
    for _ in 0..6 {
        let class = greedy(&next(&[walked.clone()])?)?;
        walked.push(class.as_i32()?[0]);
    }
    let best =
        |beams| -> Result<Beam, Error> { Ok(beam_search(BeamSearch { beams, ..search }, next)?.remove(0)) };
    assert_eq!(best(1)?.classes, walked);
    assert!(best(8)?.log_probability >= best(1)?.log_probability);
    Ok(())
}

/// Sequences that end are not asked about again, and the search stops when none can be better.
#[test]
fn a_search_stops_when_it_is_settled() -> Result<(), Error> {
    let mut asked = 0;
    let search = BeamSearch { beams: 2, end: Some(0), length: 1000, length_penalty: 0.0 };
    let found = beam_search(search, |sequences| -> Result<Tensor, Error> {
        asked += 1;
        assert!(sequences.iter().all(|sequence| !sequence.contains(&0)));
        Ok(Tensor::from(vec![[5.0_f32, 0.0, f32::NEG_INFINITY]; sequences.len()]))
    })?;
    assert_eq!(found.iter().map(|beam| &beam.classes[..]).collect::<Vec<_>>(), [&[0][..], &[1, 0]]);
    assert_eq!(asked, 2);
    Ok(())
}

#[test]
fn mistakes_are_told() {
    let message = |found: Result<Tensor, Error>| found.expect_err("a mistake").to_string();
    let fine = || Tensor::from([0.0_f32, 1.0]);
    let with = |sampling| message(sample(&fine(), sampling, 0));
    let none = Sampling::default();
    assert!(with(Sampling { temperature: -1.0, ..none }).starts_with("`temperature` is -1"));
    assert!(with(Sampling { temperature: f64::NAN, ..none }).starts_with("`temperature` is NaN"));
    assert!(with(Sampling { top_k: Some(0), ..none }).starts_with("`top_k` is 0"));
    assert!(with(Sampling { top_p: 0.0, ..none }).starts_with("`top_p` is 0"));
    assert!(with(Sampling { top_p: 1.5, ..none }).starts_with("`top_p` is 1.5"));

    assert!(message(greedy(&Tensor::from(1.0_f32))).starts_with("scores without an axis"));
    assert!(message(greedy(&Tensor::from(Vec::<f32>::new()))).starts_with("scores of 0 classes"));
    assert!(message(greedy(&Tensor::from([1_i32]))).contains("i32"));
    let nan = message(greedy(&Tensor::from([[0.0_f32, 1.0], [0.0, f32::NAN]])));
    assert!(nan.starts_with("the score of class 1 in row 1 is NaN"), "{nan}");
    let never = message(greedy(&Tensor::from([f32::NEG_INFINITY; 2])));
    assert!(never.starts_with("all scores of row 0 are −∞"), "{never}");

    let search = |search| beam_search(search, next).expect_err("a mistake").to_string();
    let base = BeamSearch::default();
    assert!(search(BeamSearch { beams: 0, ..base }).starts_with("a search with 0 beams"));
    assert!(search(BeamSearch { end: Some(3), ..base }).starts_with("`end` is 3, but there are 3 classes"));
    assert!(search(BeamSearch { end: Some(-1), ..base }).starts_with("`end` is -1"));
    assert!(
        search(BeamSearch { length_penalty: f64::INFINITY, ..base }).starts_with("`length_penalty` is inf")
    );
    let one = beam_search(base, |_| -> Result<Tensor, Error> { Ok(Tensor::from([0.0_f32, 1.0])) });
    assert!(one.expect_err("a mistake").to_string().contains("for 1 sequences"));
}

/// The probability of each sequence of labels, by all alignments of so many steps.
fn by_alignments(rows: &[[f64; 3]]) -> std::collections::BTreeMap<Vec<i32>, f64> {
    let mut found = std::collections::BTreeMap::new();
    for number in 0..3_usize.pow(rows.len() as u32) {
        let classes: Vec<usize> = (0..rows.len()).map(|step| number / 3_usize.pow(step as u32) % 3).collect();
        let probability: f64 = classes.iter().zip(rows).map(|(&class, row)| row[class]).product();
        let mut labels: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
        labels.dedup();
        labels.retain(|&label| label != 1);
        *found.entry(labels).or_insert(0.0) += probability;
    }
    found
}

#[test]
fn labels_that_are_not_aligned() -> Result<(), Error> {
    // A softmax of these; the blank is 1.
    let rows = [[0.3, 0.5, 0.2], [0.35, 0.4, 0.25], [0.2, 0.5, 0.3], [0.45, 0.1, 0.45]];
    let logarithms = rows.map(|row| row.map(|p: f64| p.ln() as f32 + 3.0));
    let scores = Tensor::new([2, 4, 3], [logarithms, logarithms].as_flattened().as_flattened().to_vec())?;
    let lengths = Tensor::from([4, 2]);
    assert_eq!(ctc_greedy(&scores, 1, Some(&lengths))?, [vec![0], vec![]]);

    let found = ctc_search(&scores, 1, 100, Some(&lengths))?;
    for (found, rows) in found.iter().zip([&rows[..], &rows[..2]]) {
        let expected = by_alignments(rows);
        assert_eq!(found.len(), expected.len());
        for beam in found {
            let expected = expected[&beam.classes].ln();
            assert!((beam.log_probability - expected).abs() < 1e-6, "{beam:?} and {expected}");
        }
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }
    // Few beams find the best here, too.
    assert_eq!(ctc_search(&scores, 1, 3, None)?[0][0].classes, found[0][0].classes);
    assert!(ctc_search(&scores, 1, 3, None)?[0].len() <= 3);

    let says = |found: Error, words: &str| assert!(found.to_string().contains(words), "{found}");
    says(ctc_greedy(&Tensor::from([[0.0_f32]]), 0, None).expect_err("no time"), "[batch, time, classes]");
    says(ctc_greedy(&scores, 3, None).expect_err("no class"), "the blank is 3, but there are 3 classes");
    says(
        ctc_greedy(&scores, 0, Some(&Tensor::from([5, 1]))).expect_err("too long"),
        "the length of sample 0 is 5",
    );
    says(ctc_greedy(&scores, 0, Some(&Tensor::from([1]))).expect_err("one"), "lengths of shape [1]");
    says(ctc_search(&scores, 0, 0, None).expect_err("none"), "0 beams");
    Ok(())
}
