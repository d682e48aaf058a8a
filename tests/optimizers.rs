//! Optimizers and what surrounds them in compiled networks: they learn, averages stand in for parameters, frozen ones stay, and huge or
//! broken gradients are clipped or told.

use downhill::Error;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;

network! {
    /// One hidden layer.
    pub Curve() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = tanh(linear(x, 16));
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    /// The slope of the loss by `w` is the sum of x.
    pub Sum() {
        input x: [batch, 2];
        param w: [2] = zeros();
        output p = x * w;
        loss sum(p);
    }
}

network! {
    /// Two losses of one parameter.
    pub Two() {
        input x: [batch, 1];
        param w: [1] = constant(1.0);
        output p = x * w;
        loss a = sum(p);
        loss b = sum(p * p);
    }
}

fn data() -> (Vec<[f32; 2]>, Vec<[f32; 1]>) {
    let coordinate = |row: usize, step: usize| (row * step % 17) as f32 / 8.0 - 1.0;
    let x: Vec<[f32; 2]> = (0..32).map(|row| [coordinate(row, 3), coordinate(row, 5)]).collect();
    let y = x.iter().map(|[a, b]| [a * b + 0.5 * a]).collect();
    (x, y)
}

#[test]
fn every_optimizer_learns() {
    let all: [(&str, Optimizer); 16] = [
        ("rmsprop", rmsprop(0.01).into()),
        ("rmsprop, centered", rmsprop(0.003).centered(true).momentum(0.5).into()),
        ("adagrad", adagrad(0.1).into()),
        ("adadelta", adadelta(10.0).into()),
        ("adamax", adamax(0.05).into()),
        ("nadam", nadam(0.02).into()),
        ("radam", radam(0.02).betas(0.9, 0.99).into()),
        ("amsgrad", adam(0.02).amsgrad(true).into()),
        ("rprop", rprop(0.01).into()),
        ("lion", lion(0.003).into()),
        ("lamb", lamb(0.02).into()),
        ("muon", muon(0.02).others(adamw(0.02)).into()),
        ("schedule-free", schedule_free(0.05).into()),
        ("clipped", sgd(0.3).momentum(0.9).clip_norm(0.5).into()),
        ("groups", adamw(0.01).spare_vectors().rule("p.*", nadam(0.02)).rate("*.bias", 2.0).into()),
        ("averaged", adam(0.02).average(0.9).into()),
    ];
    let (x, y) = data();
    for (name, optimizer) in all {
        let mut net = Curve::new().seed(3).optimizer(optimizer).build().expect("a network");
        let first = net.step(&x, &y).expect("a step");
        let losses: Vec<f32> = (0..300).map(|_| net.step(&x, &y).expect("a step")).collect();
        assert!(losses[299] < 0.25 * first, "{name}: {} from {first}", losses[299]);
    }
}

#[test]
fn averages_stand_in_for_parameters_and_go_again() {
    let (x, y) = data();
    for optimizer in [Optimizer::from(sgd(0.1).average(0.9)), schedule_free(0.05).into()] {
        let mut net = Curve::new().seed(1).optimizer(optimizer).build().expect("a network");
        let says = net.averaged(|_| ()).expect_err("nothing to average").to_string();
        assert!(says.contains("no training step has been made"), "{says}");
        for _ in 0..5 {
            net.step(&x, &y).expect("a step");
        }

        let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
        let mut other = Curve::new().build().expect("a network");
        for name in &names {
            other
                .set_parameter(name, &net.state_of(&format!("{name}.average")).expect("a state"))
                .expect("it fits");
        }
        let before = net.forward(&x).expect("outputs");
        let averaged = net.averaged(|net| net.forward(&x)).expect("averages").expect("outputs");
        assert_eq!(averaged, other.forward(&x).expect("outputs"));
        assert_ne!(averaged, before);
        assert_eq!(net.forward(&x).expect("outputs"), before);

        // They are back after a panic as well.
        let panics = || net.averaged(|_| panic!("within"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(net.forward(&x).expect("outputs"), before);
    }
}

#[test]
fn averages_that_there_are_not_are_told() {
    let mut plain = Curve::new().optimizer(sgd(0.1)).build().expect("a network");
    let says = plain.averaged(|_| ()).expect_err("none").to_string();
    assert!(says.contains("no averages of the parameters are kept"), "{says}");

    let mut both = Two::new().optimizer(sgd(0.1).average(0.9)).build().expect("a network");
    let says = both.averaged(|_| ()).expect_err("two").to_string();
    assert!(says.contains("several losses keep an average of `w`"), "{says}");

    let one = Two::new().optimizer_for("a", sgd(0.1).average(0.5)).optimizer_for("b", sgd(0.1));
    let mut one = one.build().expect("a network");
    one.step_loss("a", &[[1.0]], ()).expect("a step");
    let seen = one.averaged(|net| net.parameter("w")).expect("averages").expect("a parameter");
    assert_eq!(seen, one.state_of("a.w.average").expect("a state"));
}

#[test]
fn frozen_parameters_stay() {
    let (x, y) = data();
    let mut net =
        Curve::new().seed(2).optimizer(adam(0.1).freeze("h.*").average(0.9)).build().expect("a network");
    let parameter = |net: &Model, name: &str| net.parameter(name).expect("a parameter");
    let names = ["h.weight", "h.bias", "p.weight", "p.bias"];
    let before = names.map(|name| parameter(&net, name));
    for _ in 0..3 {
        net.step(&x, &y).expect("a step");
    }
    for (name, before) in names.iter().zip(&before) {
        assert_eq!(parameter(&net, name) == *before, name.starts_with("h."), "{name}");
        assert_eq!(net.state_of(&format!("{name}.average")).is_ok(), name.starts_with("p."), "{name}");
    }
    let says = Curve::new().optimizer(sgd(0.1).freeze("q.*")).build().expect_err("no such name").to_string();
    assert!(says.contains("no parameter is called `q.*`") && says.contains("`h.weight`"), "{says}");
}

fn sum(optimizer: impl Into<Optimizer>) -> Model {
    Sum::new().optimizer(optimizer).build().expect("a network")
}

/// The squares of these gradients are no f32; their norm is.
#[test]
fn huge_gradients_are_clipped_to_their_direction() {
    for optimizer in [sgd(1.0).clip_norm(1.0), sgd(1.0).clip_each_norm(1.0)] {
        let mut net = sum(optimizer);
        net.step(&[[3e20, -4e20]], ()).expect("a step");
        let w = net.parameter("w").expect("a parameter").to_f64_vec();
        assert!((w[0] + 0.6).abs() < 1e-6 && (w[1] - 0.8).abs() < 1e-6, "{w:?}");
    }
    let mut net = sum(sgd(1.0).clip_value(2.0));
    net.step(&[[3e20, -0.5]], ()).expect("a step");
    assert_eq!(net.parameter("w").expect("a parameter").to_f64_vec(), [-2.0, 0.5]);
}

#[test]
fn squares_that_are_no_number_and_broken_gradients_are_told() {
    let broken = |optimizer: Optimizer, x: [f32; 2]| {
        let mut net = sum(optimizer);
        let error = net.step(&[x], ()).expect_err("something that is not finite");
        assert!(matches!(error, Error::NonFinite { .. }), "{error}");
        (error.to_string(), net.parameter("w").expect("a parameter").to_f64_vec())
    };
    for optimizer in [rmsprop(0.1).into(), adagrad(0.1).into(), nadam(0.1).into(), Optimizer::from(lamb(0.1))]
    {
        let (says, _) = broken(optimizer, [1e25, 1.0]);
        assert!(says.contains("w."), "{says}");
    }
    for optimizer in [Optimizer::from(sgd(1.0).clip_norm(1.0)), adam(0.1).clip_each_norm(1.0).into()] {
        broken(optimizer, [f32::INFINITY, 1.0]);
    }
}
