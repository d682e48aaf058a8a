//! Error bounds of the mathematical functions, against f64, through compiled code; and their special values.

use downhill_codegen::lane::{ProgramBuilder, Reg, Unary, math};

use crate::harness::{Compiled, elementwise};

type Function = fn(&mut ProgramBuilder, Reg) -> Reg;

/// A function's name, the function, and arguments with their exact results.
type Case<'a> = (&'a str, Function, &'a [(f32, f32)]);

fn map(function: Function, inputs: &[f32]) -> Vec<f32> {
    let compiled = Compiled::new(&elementwise(1, |b, x| function(b, x[0])));
    let bits: Vec<u32> = inputs.iter().map(|x| x.to_bits()).collect();
    let mut memory = vec![bits, vec![0; inputs.len()]];
    compiled.run(&mut memory, &[inputs.len() as i64]);
    memory[1].iter().map(|&bits| f32::from_bits(bits)).collect()
}

/// Distance in units of the last place of the exact result.
fn ulps(result: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if result == rounded || (result.is_nan() && exact.is_nan()) {
        return if rounded.is_infinite() || exact.is_nan() {
            0.0
        } else {
            (f64::from(result) - exact).abs() / ulp(exact)
        };
    }
    if result.is_infinite() || result.is_nan() || exact.is_nan() {
        // The largest finite number next to infinity is one unit away.
        return if result == f32::INFINITY.copysign(rounded) && rounded.abs() == f32::MAX {
            1.0
        } else {
            f64::INFINITY
        };
    }
    (f64::from(result) - exact).abs() / ulp(exact)
}

fn ulp(exact: f64) -> f64 {
    let exponent = (exact.abs().log2().floor() as i32).clamp(-126, 127);
    f64::from(exponent - 23).exp2()
}

/// `count` floats evenly spaced by bits between `low` and `high` (same sign), and evenly by value.
fn samples(low: f32, high: f32, count: u32) -> Vec<f32> {
    let (from, to) = (low.to_bits(), high.to_bits());
    let by_bits = (0..count).map(|i| {
        f32::from_bits(
            (f64::from(from) + (f64::from(to) - f64::from(from)) * f64::from(i) / f64::from(count)) as u32,
        )
    });
    let by_value = (0..count).map(|i| low + (high - low) * (i as f32 / count as f32));
    by_bits.chain(by_value).chain([low, high]).collect()
}

fn both_signs(high: f32) -> Vec<f32> {
    let mut inputs = samples(0.0, high, 150_000);
    inputs.extend(samples(-0.0, -high, 150_000));
    inputs
}

fn check(name: &str, function: Function, exact: fn(f64) -> f64, inputs: &[f32], bound: f64) {
    let results = map(function, inputs);
    let mut worst = (0.0, 0.0, 0.0);
    for (&x, &result) in inputs.iter().zip(&results) {
        let error = ulps(result, exact(f64::from(x)));
        if error > worst.0 {
            worst = (error, x, result);
        }
    }
    println!(
        "{name}: {:.3} ulp at {:e} ({:e}, exactly {:e})",
        worst.0,
        worst.1,
        worst.2,
        exact(f64::from(worst.1))
    );
    assert!(worst.0 <= bound, "{name}: {:.2} ulp at {:e}: {:e}", worst.0, worst.1, worst.2);
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

fn logistic(x: f64) -> f64 {
    if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }
}

#[test]
fn exponentials() {
    check("exp", math::exp, libm::exp, &both_signs(110.0), 2.0);
    check("expm1", math::expm1, libm::expm1, &both_signs(100.0), 2.0);
}

#[test]
fn saturating() {
    check("tanh", math::tanh, libm::tanh, &both_signs(30.0), 3.0);
    check("logistic", math::logistic, logistic, &both_signs(120.0), 3.0);
    check("softplus", math::softplus, softplus, &both_signs(120.0), 2.0);
    check("erf", math::erf, libm::erf, &both_signs(10.0), 2.0);
}

#[test]
fn logarithms() {
    check("log", math::log, libm::log, &samples(0.0, f32::MAX, 300_000), 2.0);
    check("log near 1", math::log, libm::log, &samples(0.5, 2.0, 300_000), 2.0);
    check("log1p", math::log1p, libm::log1p, &samples(0.0, f32::MAX, 300_000), 2.0);
    check("log1p below", math::log1p, libm::log1p, &samples(-0.0, -1.0, 300_000), 2.0);
}

#[test]
fn trigonometric() {
    check("sin", math::sin, libm::sin, &both_signs(1e4), 2.0);
    check("cos", math::cos, libm::cos, &both_signs(1e4), 2.0);
    for (function, exact) in [(math::sin as Function, libm::sin as fn(f64) -> f64), (math::cos, libm::cos)] {
        let inputs = both_signs(1e6);
        for (&x, result) in inputs.iter().zip(map(function, &inputs)) {
            assert!((f64::from(result) - exact(f64::from(x))).abs() < 1e-6, "{x:e}: {result:e}");
        }
        let inputs = both_signs(f32::MAX);
        assert!(map(function, &inputs).iter().all(|result| result.abs() <= 1.0));
    }
}

#[test]
fn special_values() {
    let inf = f32::INFINITY;
    let (nan, tiny) = (f32::NAN, 1e-45);
    let cases: [Case; 12] = [
        (
            "exp",
            math::exp,
            &[(0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, 0.0), (1e4, inf), (-1e4, 0.0), (tiny, 1.0)],
        ),
        (
            "expm1",
            math::expm1,
            &[(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1.0), (-1e4, -1.0), (tiny, tiny)],
        ),
        (
            "log",
            math::log,
            &[(0.0, -inf), (-0.0, -inf), (inf, inf), (-1.0, nan), (-inf, nan), (1.0, 0.0), (-tiny, nan)],
        ),
        (
            "log1p",
            math::log1p,
            &[(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-1.0, -inf), (-2.0, nan), (-inf, nan)],
        ),
        (
            "tanh",
            math::tanh,
            &[(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (1e4, 1.0), (-1e4, -1.0), (tiny, tiny)],
        ),
        ("logistic", math::logistic, &[(0.0, 0.5), (inf, 1.0), (-inf, 0.0), (1e4, 1.0), (-1e4, 0.0)]),
        (
            "softplus",
            math::softplus,
            &[(inf, inf), (-inf, 0.0), (1e4, 1e4), (-1e4, 0.0), (0.0, std::f32::consts::LN_2)],
        ),
        ("erf", math::erf, &[(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (1e4, 1.0), (-1e4, -1.0)]),
        ("sin", math::sin, &[(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan), (tiny, tiny)]),
        ("cos", math::cos, &[(0.0, 1.0), (-0.0, 1.0), (inf, nan), (-inf, nan)]),
        (
            "sign",
            math::sign,
            &[(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (tiny, 1.0), (-3.0, -1.0)],
        ),
        ("is_finite", is_finite, &[(0.0, 1.0), (inf, 0.0), (-inf, 0.0), (f32::MAX, 1.0)]),
    ];
    for (name, function, values) in cases {
        let inputs: Vec<f32> = values.iter().map(|&(x, _)| x).chain([nan]).collect();
        let at_nan = if name == "is_finite" { 0.0 } else { nan };
        let expected = values.iter().map(|&(_, y)| y).chain([at_nan]);
        for ((x, y), result) in inputs.iter().zip(expected).zip(map(function, &inputs)) {
            let equal = result.to_bits() == y.to_bits() || (result.is_nan() && y.is_nan());
            assert!(equal, "{name}({x:e}) = {result:e}, expected {y:e}");
        }
    }
}

fn is_finite(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let mask = math::is_finite(b, x);
    let bit = b.unary(Unary::FromMask, mask);
    b.unary(Unary::FromI32, bit)
}

fn powers(pairs: &[(f32, f32)]) -> Vec<f32> {
    let compiled = Compiled::new(&elementwise(2, |b, x| math::pow(b, x[0], x[1])));
    let bits = |part: fn(&(f32, f32)) -> f32| pairs.iter().map(|pair| part(pair).to_bits()).collect();
    let mut memory = vec![bits(|pair| pair.0), bits(|pair| pair.1), vec![0; pairs.len()]];
    compiled.run(&mut memory, &[pairs.len() as i64]);
    memory[2].iter().map(|&bits| f32::from_bits(bits)).collect()
}

#[test]
fn pow() {
    let mut pairs = Vec::new();
    for (i, x) in samples(1e-44, f32::MAX, 2000).into_iter().enumerate() {
        for j in 0..100 {
            let limit = 104.0 / x.ln().abs().max(1e-6);
            let y = limit * ((i * 37 + j * 101) % 2003) as f32 / 1001.5 - limit;
            pairs.push((x, y));
        }
    }
    for &x in &[-2.0f32, -0.5, -1.5, -10.0, -0.1] {
        pairs.extend((-60..60).map(|y| (x, y as f32)));
    }
    let mut worst = (0.0, (0.0, 0.0));
    for (&(x, y), result) in pairs.iter().zip(powers(&pairs)) {
        let error = ulps(result, libm::pow(f64::from(x), f64::from(y)));
        worst = if error > worst.0 { (error, (x, y)) } else { worst };
    }
    println!("pow: {:.3} ulp at {:?}", worst.0, worst.1);
    assert!(worst.0 <= 2.0, "pow: {:.2} ulp at {:?}", worst.0, worst.1);
}

#[test]
fn pow_special_values() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        -3.0,
        0.3,
        -2.5,
        1e30,
        -1e30,
        1e-40,
        16_777_217.0,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let pairs: Vec<(f32, f32)> = values.iter().flat_map(|&x| values.iter().map(move |&y| (x, y))).collect();
    for (&(x, y), result) in pairs.iter().zip(powers(&pairs)) {
        let expected = libm::pow(f64::from(x), f64::from(y));
        let fits = ulps(result, expected) <= 2.0
            && (result.is_nan() || result.is_sign_negative() == expected.is_sign_negative());
        assert!(fits, "{x:e}^{y:e} = {result:e}, expected {expected:e}");
    }
}
