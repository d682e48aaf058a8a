//! How many units in the last place machine code is off, over all of f32.

use super::run;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::Environment;
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::value::{gradient, sum};

/// What a function should be, and how far it may be off.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) function: fn(&Value) -> Value,
    pub(crate) value: fn(f64) -> f64,
    pub(crate) slope: fn(f64) -> f64,
    /// Units in the last place, of the value and of the slope; and what each may be off beside that.
    pub(crate) units: [f64; 2],
    pub(crate) beside: [fn(f64) -> f64; 2],
}

pub(crate) const NOTHING: fn(f64) -> f64 = |_| 0.0;

/// All over f32 and, more of them, where functions bend.
pub(crate) fn arguments() -> Vec<f32> {
    let all = (0..=u32::MAX).step_by(131_071).map(f32::from_bits).filter(|x| x.is_finite());
    let bend = (-60_000..60_000).map(|step| step as f32 * 0.001_937);
    all.chain(bend).chain([0.0, -0.0, f32::MAX, f32::MIN]).collect()
}

/// The function and its slope by machine code, which is the same on every target.
pub(crate) fn compiled(case: &Measured, arguments: &[f32]) -> [Vec<f64>; 2] {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", ElementType::F32, [arguments.len()]);
    let y = (case.function)(&x);
    let slope = gradient(sum(&y), &x);
    let mut graph = b.finish().expect("no mistakes").graph;
    graph.results.push((Purpose::Output("y".into()), y.node().expect("known")));
    graph.results.push((Purpose::Gradient("x".into()), slope.node().expect("known")));
    let given = Tensor::new([arguments.len()], arguments.to_vec()).expect("a tensor");
    let outcome = run(&optimize(&graph), &Environment::new().input("x", given), &Bindings::new());
    let results = outcome.expect("it compiles").results;
    [0, 1].map(|at| results[at].1.to_f64_vec())
}

fn unit(exact: f64) -> f64 {
    let exponent = if exact == 0.0 { -126.0 } else { exact.abs().log2().floor() };
    (exponent.clamp(-126.0, 127.0) - 23.0).exp2()
}

/// How far `found` is off in units, `room` aside: what f32 cannot hold is infinite, and NaN where it is.
fn off(found: f64, exact: f64, room: f64) -> f64 {
    let held = f64::from(exact as f32);
    if found == held || found.is_nan() && exact.is_nan() {
        return 0.0;
    }
    let off = ((found - exact).abs() - room) / unit(exact);
    if off.is_nan() { f64::INFINITY } else { off }
}

/// Prints how far each function and its slope are off at worst, and asserts that it is no further than they may be.
pub(crate) fn assert_within_units(cases: &[Measured], arguments: &[f32]) {
    let mut beyond = Vec::new();
    for case in cases {
        let found = compiled(case, arguments);
        for (which, (found, exact)) in found.iter().zip([case.value, case.slope]).enumerate() {
            let mut worst = (0.0, 0.0, 0.0);
            for (&x, &found) in arguments.iter().zip(found) {
                let x = f64::from(x);
                // Where there is no value, a slope means nothing.
                if which == 1 && (case.value)(x).is_nan() {
                    continue;
                }
                let off = off(found, exact(x), case.beside[which](x));
                worst = if off <= worst.0 { worst } else { (off, x, found) };
            }
            let (units, x, found) = worst;
            let what = ["", "' slope"][which];
            let line = format!("{}{what}: {units:.2} at {x:e}: {found:e}, not {:e}", case.name, exact(x));
            println!("{line}");
            beyond.extend((units > case.units[which]).then_some(line));
        }
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}
