//! Sums over more rows than f32 can count: means and gradients keep their digits.

use downhill::prelude::*;

network! {
    Mean(columns: usize) {
        input  x: [batch, columns];
        output all = mean(x);
        output each = mean(x, axis: 0);
        loss   sum(x);
    }

    Line(columns: usize) {
        input  x: [batch, columns];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss   mean(p * y);
    }
}

/// Numbers from 0 to 1 that do not repeat within a sum's chunks.
fn uniform(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

fn off(found: f32, expected: f64) -> f64 {
    (f64::from(found) / expected - 1.0).abs()
}

#[test]
fn means_over_many_rows() -> Result<(), downhill::Error> {
    for (rows, columns) in [(1_000_000, 8), (4_000_003, 2)] {
        let values = uniform(rows * columns);
        let column = |at: usize| values.iter().skip(at).step_by(columns).map(|&x| f64::from(x)).sum::<f64>();
        let columns_expected: Vec<f64> = (0..columns).map(|at| column(at) / rows as f64).collect();
        let expected = columns_expected.iter().sum::<f64>() / columns as f64;

        let net = Mean::new(columns).build()?;
        let answers = net.forward_all(&Tensor::new([rows, columns], values)?)?;
        assert!(off(answers.get("all")?.as_f32()?[0], expected) <= 1e-6, "{rows} rows of {columns}");
        for (&found, expected) in answers.get("each")?.as_f32()?.iter().zip(columns_expected) {
            assert!(off(found, expected) <= 1e-6, "{found}, expected {expected}");
        }
    }
    Ok(())
}

/// One more than 2²⁴ ones cannot be counted one by one: 2²⁴ + 1 is no f32.
#[test]
fn ones_are_counted() -> Result<(), downhill::Error> {
    let rows = (1 << 25) + 3;
    let net = Mean::new(1).build()?;
    let answers = net.forward_all(&Tensor::new([rows, 1], vec![1.0_f32; rows])?)?;
    assert_eq!((answers.get("all")?.as_f32()?[0], answers.get("each")?.as_f32()?[0]), (1.0, 1.0));
    Ok(())
}

/// The gradients of a weight and of a bias are sums over all rows.
#[test]
fn gradients_over_many_rows() -> Result<(), downhill::Error> {
    let rows = 1_500_000;
    let (x, y) = (uniform(rows), uniform(rows + 7)[7..].to_vec());
    let products = x.iter().zip(&y).map(|(&x, &y)| f64::from(x) * f64::from(y));
    let (weight, bias) =
        (products.sum::<f64>() / rows as f64, y.iter().map(|&y| f64::from(y)).sum::<f64>() / rows as f64);
    let net = Line::new(1).optimizer(sgd(1.0)).build()?;
    let gradients = net.gradients(&Tensor::new([rows, 1], x)?, &Tensor::new([rows, 1], y)?)?;
    assert!(off(gradients.get("p.weight")?.as_f32()?[0], weight) <= 1e-6);
    assert!(off(gradients.get("p.bias")?.as_f32()?[0], bias) <= 1e-6);
    Ok(())
}
