//! Initialisers by their names: what each draws, which words and numbers it takes, what it refuses.

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::random::{Fan, Initializer};
use downhill_nn::builder::{Builder, Mode};
use downhill_nn::composite::{Argument, initializer};

fn made(name: &str, numbers: &[f64], named: &[(&str, Argument)]) -> Result<Initializer, String> {
    let builder = Builder::new(Mode::Train);
    let positional = numbers.iter().map(|&number| Argument::Number(number)).collect();
    initializer(&builder, name, positional, named.to_vec()).map_err(|error| error.to_string())
}

fn scaled(gain: f64, fan: Fan, is_normal: bool) -> Result<Initializer, String> {
    Ok(Initializer::Scaled { gain, fan, is_normal })
}

fn word(name: &'static str, word: &'static str) -> (&'static str, Argument) {
    (name, Argument::Word(word))
}

/// The numbers are those of PyTorch 2.15's `calculate_gain`.
#[test]
fn gains_are_those_of_the_nonlinearity_that_follows() {
    let gains = [
        ("linear", 1.0),
        ("sigmoid", 1.0),
        ("tanh", 5.0 / 3.0),
        ("relu", std::f64::consts::SQRT_2),
        ("leaky_relu", 1.414_142_856_997_835_4),
        ("selu", 0.75),
    ];
    for (name, gain) in gains {
        let near = |found: f64, exact: f64| assert!((found / exact - 1.0).abs() < 1e-14, "{name}: {found}");
        match made("xavier_normal", &[], &[word("nonlinearity", name)]) {
            Ok(Initializer::XavierNormal { gain: found }) => near(found, gain),
            other => panic!("{other:?}"),
        }
        match made("xavier_uniform", &[2.0], &[word("nonlinearity", name)]) {
            Ok(Initializer::XavierUniform { gain: found }) => near(found, 2.0 * gain),
            other => panic!("{other:?}"),
        }
        match made("kaiming_normal", &[0.01], &[word("nonlinearity", name), word("mode", "fan_out")]) {
            Ok(Initializer::Scaled { gain: found, fan: Fan::Out, is_normal: true }) => near(found, gain),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn names_make_what_they_say() {
    assert_eq!(made("kaiming_uniform", &[0.5], &[]), Ok(Initializer::KaimingUniform { slope: 0.5 }));
    let of_fan = made("kaiming_uniform", &[], &[word("nonlinearity", "linear")]);
    assert_eq!(of_fan, scaled(1.0, Fan::In, false));
    assert_eq!(made("lecun", &[], &[]), scaled(1.0, Fan::In, false));
    assert_eq!(made("lecun_normal", &[], &[]), scaled(1.0, Fan::In, true));
    let cut = Initializer::TruncatedNormal { mean: 0.0, deviation: 1.0, low: -2.0, high: 2.0 };
    assert_eq!(made("truncated_normal", &[], &[]), Ok(cut));
    assert_eq!(made("sparse", &[0.1], &[]), Ok(Initializer::Sparse { sparsity: 0.1, deviation: 0.01 }));
    assert_eq!(made("dirac", &[], &[]), Ok(Initializer::Dirac { groups: Dim::from(1) }));
    assert_eq!(made("identity", &[], &[]), Ok(Initializer::Identity));
}

/// The bounds of SIREN's: ±1/fan_in for the first layer, ±√(6/fan_in)/30 behind it.
#[test]
fn waves_start_within_their_bounds() {
    let greatest = |named: &[(&str, Argument)]| {
        let siren = made("siren", &[], named).expect("a distribution");
        let numbers = siren.sample("w", &[50, 400], 7, &Bindings::new()).expect("numbers");
        numbers.into_iter().fold(0.0_f64, |most, x| most.max(x.abs()))
    };
    let near = |found: f64, bound: f64| found <= bound && found > 0.999 * bound;
    assert!(near(greatest(&[]), (6.0_f64 / 50.0).sqrt() / 30.0));
    assert!(near(greatest(&[("first", Argument::Bool(true))]), 1.0 / 50.0));
}

#[test]
fn what_makes_no_distribution_is_refused() {
    let refused =
        |name: &str, numbers: &[f64], named: &[(&str, Argument)]| made(name, numbers, named).unwrap_err();
    assert_eq!(
        refused("kaiming_normal", &[], &[word("mode", "fan_around")]),
        "`mode` of `kaiming_normal` must be `fan_in` or `fan_out`, but is `fan_around`"
    );
    assert!(
        refused("kaiming_normal", &[], &[("mode", Argument::Number(1.0))]).ends_with("but is the number `1`")
    );
    assert!(refused("truncated_normal", &[0.0, -1.0], &[]).starts_with("a deviation of -1"));
    assert!(refused("truncated_normal", &[0.0, 1.0, 3.0, 2.0], &[]).starts_with("a least value of 3"));
    assert!(refused("sparse", &[1.0], &[]).starts_with("a sparsity of 1"));
    assert!(refused("siren", &[0.0], &[]).starts_with("a gain of inf"));

    let sampled = |initializer: Initializer, shape: &[usize]| {
        initializer.sample("h.weight", shape, 7, &Bindings::new()).unwrap_err().to_string()
    };
    assert_eq!(
        sampled(Initializer::Identity, &[3]),
        "`h.weight` starts with `identity`, but has 1 axes: [3]\n   = help: `identity` is for [in, out]"
    );
    assert_eq!(
        sampled(Initializer::Sparse { sparsity: 0.5, deviation: 1.0 }, &[2, 3, 4]),
        "`h.weight` starts with `sparse`, but has 3 axes: [2, 3, 4]\n   = help: `sparse` is for [in, out]"
    );
    assert_eq!(
        sampled(Initializer::Dirac { groups: Dim::from(3) }, &[3, 2, 4]),
        "`h.weight` starts with `dirac` of 3 groups, but has 4 outputs\n   \
         = help: the number of groups must divide that of the outputs"
    );
}
