//! Epochs over rows that lie scattered: packed before steps read them, with the bits and the errors of steps on the same rows.

use downhill::Error;
use downhill::prelude::*;

network! {
    Small() {
        input  x: [batch, 5];
        input  keep: bool[batch];
        target label: i32[batch];
        let h = tanh(linear(x, 4));
        output z = linear(h, 3) * expand(select(keep, 1.0, 0.5), axis: 1);
        loss cross_entropy(z, label);
    }
}

/// Enough rows not to stay in the nearest cache.
const ROWS: usize = 6000;
const BATCH: usize = 32;

fn data() -> Dataset {
    let x = Tensor::randn([ROWS, 5], 1).expect("numbers");
    let keep = Tensor::from((0..ROWS).map(|row| row % 3 != 0).collect::<Vec<_>>());
    let label = Tensor::from((0..ROWS).map(|row| (row % 3) as u32).collect::<Vec<_>>());
    Dataset::new([("x", x), ("keep", keep), ("label", label)]).expect("data")
}

fn net() -> Model {
    Small::new().seed(5).optimizer(adam(0.01)).build().expect("a network")
}

/// An order in which some rows are left out and some come twice.
fn order() -> Vec<u32> {
    let mut rows: Vec<u32> = (0..ROWS as u32).collect();
    downhill::epoch::shuffle(&mut rows, 9);
    rows.truncate(ROWS - 1000);
    rows.extend_from_within(7..107);
    rows
}

/// The losses of steps, up to one that fails.
fn steps(net: &mut Model, data: &Dataset, rows: &[u32], rates: &[f32]) -> Result<Vec<f32>, Error> {
    let batches = rows.chunks(BATCH).zip(rates).map(|(rows, &rate)| {
        let batch = data.select(rows)?;
        net.set_learning_rate(rate)?;
        let column = |name| batch.column(name);
        net.step((column("x")?, column("keep")?), column("label")?)
    });
    batches.collect()
}

#[test]
fn scattered_rows_train_to_the_bits_of_steps() {
    let (data, rows) = (data(), order());
    let rates: Vec<f32> = (0..rows.len().div_ceil(BATCH)).map(|step| 0.01 / (step + 1) as f32).collect();
    let (mut packed, mut single) = (net(), net());
    let options = EpochOptions { rows: Some(&rows), learning_rates: Some(&rates), ..EpochOptions::default() };
    let report = packed.epoch_with(&data, Epoch { batch: BATCH, seed: 0 }, options).expect("an epoch");
    let losses = steps(&mut single, &data, &rows, &rates).expect("steps");
    assert_eq!(report.losses, losses);
    assert_eq!(packed.steps_made(), single.steps_made());
    for name in ["h.weight", "h.bias", "z.weight", "z.bias"] {
        assert_eq!(
            packed.parameter(name).expect("a parameter"),
            single.parameter(name).expect("a parameter"),
            "{name}"
        );
    }
}

#[test]
fn what_stops_a_step_is_told_as_of_a_step() {
    let (data, rows) = (data(), order());
    let at = 1500;
    let data = data
        .map("x", |x| {
            let mut x = x.clone();
            x[[rows[at] as usize, 3]] = f32::NAN;
            Ok::<_, Error>(x)
        })
        .expect("data");
    let (mut packed, mut single) = (net(), net());
    let options = EpochOptions { rows: Some(&rows), ..EpochOptions::default() };
    let error = packed.epoch_with(&data, Epoch { batch: BATCH, seed: 0 }, options).expect_err("NaN");
    let rates = vec![0.01; rows.len()];
    let expected = steps(&mut single, &data, &rows, &rates).expect_err("NaN").to_string();
    // The step is counted within the call.
    let expected =
        expected.replace("in step 0 of this call", &format!("in step {} of this call", at / BATCH));
    assert_eq!(error.to_string(), expected);
    assert_eq!(packed.steps_made(), (at / BATCH) as u64);
    assert_eq!(
        packed.parameter("h.weight").expect("a parameter"),
        single.parameter("h.weight").expect("a parameter")
    );
}
