//! Error bounds of the elementwise functions over all finite f32, against f64, through compiled code; and their special values.
//!
//! The bounds are those of the table at the head of `downhill_codegen::lane::math`.

use downhill_codegen::lane::{Binary, LaneProgram, ProgramBuilder, Reg, Unary, math};

use crate::fixed::agree;
use crate::harness::{Compiled, elementwise};

type Function = fn(&mut ProgramBuilder, Reg) -> Reg;

/// A function's name, the function, and arguments with their exact results.
type Case<'a> = (&'a str, Function, &'a [(f32, f32)]);

/// A function, what it should be, and by how much it may be off, in units of the last place.
struct Bounded {
    name: &'static str,
    function: Function,
    exact: fn(f64) -> f64,
    units: f64,
}

const fn bounded(name: &'static str, function: Function, exact: fn(f64) -> f64, units: f64) -> Bounded {
    Bounded { name, function, exact, units }
}

/// Every function of one operand; those that are one instruction of the machine too.
const FUNCTIONS: [Bounded; 18] = [
    bounded("negate", |b, x| b.unary(Unary::NegF, x), |x| -x, 0.0),
    bounded("abs", |b, x| b.unary(Unary::AbsF, x), f64::abs, 0.0),
    bounded("sign", math::sign, |x| if x == 0.0 { x } else { 1f64.copysign(x) }, 0.0),
    bounded("floor", |b, x| b.unary(Unary::FloorF, x), f64::floor, 0.0),
    bounded("sqrt", |b, x| b.unary(Unary::SqrtF, x), f64::sqrt, 0.5),
    bounded("reciprocal", reciprocal, |x| 1.0 / x, 0.5),
    bounded("exp", math::exp, f64::exp, 2.0),
    bounded("expm1", math::expm1, f64::exp_m1, 2.0),
    bounded("log", math::log, f64::ln, 2.0),
    bounded("log1p", math::log1p, f64::ln_1p, 2.0),
    bounded("sin", math::sin, f64::sin, 2.0),
    bounded("cos", math::cos, f64::cos, 2.0),
    bounded("tanh", math::tanh, f64::tanh, 3.0),
    bounded("logistic", math::logistic, logistic, 3.5),
    bounded("softplus", math::softplus, softplus, 3.0),
    bounded("erf", math::erf, libm::erf, 2.0),
    bounded("normal_cdf", math::normal_cdf, normal_cdf, 6.5),
    bounded("bell", math::bell, |x| (-0.5 * x * x).exp(), 2.5),
];

fn reciprocal(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let one = b.constant_f(1.0);
    b.binary(Binary::DivF, one, x)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn logistic(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn program(function: Function) -> LaneProgram {
    elementwise(1, |b, x| function(b, x[0]))
}

fn map(compiled: &Compiled, inputs: &[f32]) -> Vec<f32> {
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

/// The unit in the last place, of a subnormal that of all of them.
fn ulp(exact: f64) -> f64 {
    let exponent = ((exact.to_bits() >> 52 & 0x7ff) as i32 - 1023).clamp(-126, 127);
    f64::from(exponent - 23).exp2()
}

/// The largest error among these patterns, and where it is.
fn worst(compiled: &Compiled, exact: fn(f64) -> f64, patterns: impl Iterator<Item = u32>) -> (f64, f32) {
    let inputs: Vec<f32> = patterns.map(f32::from_bits).filter(|x| x.is_finite()).collect();
    let errors = inputs.iter().zip(map(compiled, &inputs));
    let errors = errors.map(|(&x, result)| (ulps(result, exact(f64::from(x))), x));
    errors.fold((0.0, 0.0), |worst, error| if error.0 > worst.0 { error } else { worst })
}

/// Measures every function, and says which ones are off by more than they may be.
fn assert_bounded(measure: impl Fn(&Compiled, &Bounded) -> (f64, f32)) {
    let chosen = std::env::var("FUNCTION").ok();
    let mut beyond = Vec::new();
    for bounded in FUNCTIONS.iter().filter(|bounded| chosen.as_ref().is_none_or(|name| name == bounded.name))
    {
        let Bounded { name, exact, units: most, .. } = bounded;
        let (units, at) = measure(&Compiled::new(&program(bounded.function)), bounded);
        let line = format!("{name}: {units:.3} ulp at {at:e}, which gives {:e}", exact(f64::from(at)));
        println!("{line}");
        beyond.extend((units > *most).then_some(line));
    }
    assert!(beyond.is_empty(), "more than is promised:\n{}", beyond.join("\n"));
}

/// Patterns all over f32 of both signs: about a thousand for each exponent, and all around powers of two and where a function changes
/// its form or leaves the range.
fn dense() -> impl Iterator<Item = u32> {
    const CORNERS: [f32; 15] = [
        0.0,
        0.347,
        0.927_734_4,
        5.42,
        9.01,
        12.95,
        14.2,
        14.5,
        17.33,
        88.03,
        88.73,
        103.28,
        103.98,
        32_768.0,
        f32::MAX,
    ];
    let around = |x: f32, reach: u32| {
        let bits = x.to_bits();
        bits.saturating_sub(reach)..=bits + reach
    };
    let strided = (0..=u32::MAX).step_by(8191);
    let powers = (0..255).flat_map(move |exponent| around(f32::from_bits(exponent << 23), 40));
    let corners = CORNERS.into_iter().flat_map(move |x| around(x, 3000));
    strided.chain(powers.chain(corners).flat_map(|bits| [bits, bits | 1 << 31]))
}

/// Patterns from 2⁻³ to 2⁷, of both signs, where most functions do what is of interest.
fn moderate() -> impl Iterator<Item = u32> {
    (0.125f32.to_bits()..128f32.to_bits()).step_by(401).flat_map(|bits| [bits, bits | 1 << 31])
}

#[test]
fn errors_are_bounded_over_all_of_f32() {
    assert_bounded(|compiled, bounded| worst(compiled, bounded.exact, dense().chain(moderate())));
}

#[test]
#[ignore = "all 2³² patterns: FUNCTION=exp cargo test --release -p downhill-codegen --test lane every_pattern -- --ignored --nocapture"]
fn errors_are_bounded_for_every_pattern() {
    assert_bounded(|compiled, bounded| {
        let chunks = (0..1 << 12).map(|chunk: u32| (chunk << 20)..=(chunk << 20 | 0xf_ffff));
        let found = chunks.map(|chunk| worst(compiled, bounded.exact, chunk));
        found.fold((0.0, 0.0), |x, y| if y.0 > x.0 { y } else { x })
    });
}

/// Near, far and special arguments side by side, so that some blocks have none, some and only elements of either kind.
#[test]
fn every_target_computes_the_same_bits() {
    for Bounded { function, .. } in &FUNCTIONS {
        for stride in [1_300_021, 77_777_777] {
            let mixed = (0..=u32::MAX).step_by(stride);
            let runs = (0..50).flat_map(|turn| [1.5f32, 1e30, -0.0, -7e9].map(|x| x.to_bits() + turn));
            let inputs: Vec<u32> = mixed.chain(runs).chain([1f32.to_bits(); 64]).collect();
            let count = inputs.len();
            agree(&program(*function), &[inputs, vec![0; count]], &[count as i64]);
        }
    }
}

/// What a library of many digits says.
#[test]
fn far_arguments_are_reduced_exactly() {
    let (sin, cos) = (Compiled::new(&program(math::sin)), Compiled::new(&program(math::cos)));
    let known = [
        (1e7, 0.420_547_793_190_782_5, -0.907_270_386_181_739_6),
        (1e22, -0.734_081_535_296_101_5, 0.679_061_337_095_051),
        // No f32 is closer to an odd multiple of π/2.
        (16_367_173.0 * 2f32.powi(72), 1.0, -1.614_769_798_247_621_2e-9),
        (f32::MAX, -0.521_876_523_333_658_5, 0.853_021_039_830_304_2),
    ];
    for (x, sine, cosine) in known {
        for (x, sine) in [(x, sine), (-x, -sine)] {
            let found = (map(&sin, &[x])[0], map(&cos, &[x])[0]);
            assert!(ulps(found.0, sine) <= 2.0, "sin {x:e} is {:e}, not {sine:e}", found.0);
            assert!(ulps(found.1, cosine) <= 2.0, "cos {x:e} is {:e}, not {cosine:e}", found.1);
        }
    }
}

#[test]
fn special_values() {
    let inf = f32::INFINITY;
    let (nan, tiny) = (f32::NAN, 1e-45);
    let cases: [Case; 14] = [
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
        (
            "normal_cdf",
            math::normal_cdf,
            &[(0.0, 0.5), (-0.0, 0.5), (inf, 1.0), (-inf, 0.0), (1e30, 1.0), (-1e30, 0.0), (tiny, 0.5)],
        ),
        ("bell", math::bell, &[(0.0, 1.0), (-0.0, 1.0), (inf, 0.0), (-inf, 0.0), (1e30, 0.0), (tiny, 1.0)]),
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
        for ((x, y), result) in
            inputs.iter().zip(expected).zip(map(&Compiled::new(&program(function)), &inputs))
        {
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

/// Bases all over f32 with exponents that keep the power in range, with others, and where it just leaves it; negative bases with
/// integers; bases next to 1.
fn power_pairs() -> Vec<(f32, f32)> {
    let finite = |bits: u32| Some(f32::from_bits(bits)).filter(|x| x.is_finite());
    let mut pairs = Vec::new();
    for (i, x) in (0..=u32::MAX).step_by(1_048_583).filter_map(finite).enumerate() {
        let limit = 104.0 / x.abs().ln().abs().max(1e-7);
        let share = |j: usize| ((i * 37 + j * 101) % 2003) as f32 / 1001.5 - 1.0;
        pairs.extend((0..40).map(|j| (x.abs(), limit * share(j))));
        pairs.extend((0..10).map(|j| (x, (limit * share(j)).round())));
        pairs.extend((0..20).filter_map(|j| finite((i * 7919 + j * 214_748_367) as u32)).map(|y| (x, y)));
        pairs.extend([-89.0, -87.4, 88.7, -103.9].map(|exponent| (x.abs(), exponent / x.abs().ln())));
    }
    for step in 1..400 {
        let (above, below) = (1.0 + step as f32 * f32::EPSILON, 1.0 - step as f32 * f32::EPSILON / 2.0);
        let exponents = [1.0, 1e3, 1e6, 7e7, 3e8, 2e9].map(|y: f32| y / step as f32);
        pairs.extend(exponents.iter().flat_map(|&y| [(above, y), (below, y), (above, -y), (below, -y)]));
    }
    pairs
}

#[test]
fn pow_is_bounded_over_all_of_f32() {
    let pairs = power_pairs();
    let mut worst = (0.0, (0.0, 0.0));
    for (&(x, y), result) in pairs.iter().zip(powers(&pairs)) {
        let error = ulps(result, libm::pow(f64::from(x), f64::from(y)));
        worst = if error > worst.0 { (error, (x, y)) } else { worst };
    }
    println!("pow: {:.3} ulp at {:?}", worst.0, worst.1);
    assert!(worst.0 <= 2.5, "pow: {:.2} ulp at {:?}", worst.0, worst.1);
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
