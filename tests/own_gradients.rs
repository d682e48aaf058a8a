//! Gradients of one's own: what arrives at their operands, in machine code, in loops, to second order; what is refused.

use downhill::prelude::*;
use downhill::value::{clamp, gradient, with_gradient};

/// |x|, whose gradient is that of x² as long as none arrives that is greater than 1.
fn own(x: &Value) -> Value {
    with_gradient(downhill::value::abs(x), std::slice::from_ref(x), |g| {
        vec![clamp(g, Some(-1.0), Some(1.0)) * x * 2.0]
    })
}

network! {
    layer rounded(x: [batch, n]) -> [batch, n] {
        round(x)
        gradient(g) { g }
    }

    layer reversed(x: [batch, n], strength) -> [batch, n] {
        x
        gradient(g) { -strength * g }
    }

    layer clipped(x: [batch, n]) -> [batch, n] {
        x
        gradient(g) { clamp(g, -1.0, 1.0) }
    }

    layer product(a: [batch, n], b: [batch, n]) -> [batch, n] {
        let y = a * b;
        y
        gradient(g) {
            let by_a = g * b;
            (by_a, g * a)
        }
    }

    layer picked(x: [batch, n], at: i32[batch], w: [n]) -> [batch] {
        pick(x * w, at)
        gradient(g) { (0.0, sum(expand(g, 1) * x, axis: 0)) }
    }

    /// Each of them, by what goes in.
    pub Each() {
        input x: [batch, 3];
        input z: [batch, 3];
        input at: i32[batch];
        param w: [3] = ones();
        output y = rounded(x);
        loss straight = sum(rounded(x) * z);
        loss turned = sum(reversed(x, 0.5) * z);
        loss cut = sum(clipped(x) * z);
        loss both = sum(product(x, z) * x * w);
        loss chosen = sum(picked(x, at, w) * 3.0);
        loss of_rust = sum(self::own(x) * z);
    }

    /// A product of one's own is a product, to second order and in a loop.
    pub Own() {
        input  x: [batch, time, 3];
        target t: [batch, 3];
        param w: [3] = uniform(0.5, 1.5);
        let (y, last) = scan step in x along time, h = ones([batch, 3]) {
            h = product(tanh(product(h, step) + w), sigmoid(step + h));
            yield h
        };
        let slope = gradient(last, x);
        output y, last, slope;
        loss squared_error(last, t) + mean(slope * slope);
    }

    /// The same as it is.
    pub Plain() {
        input  x: [batch, time, 3];
        target t: [batch, 3];
        param w: [3] = uniform(0.5, 1.5);
        let (y, last) = scan step in x along time, h = ones([batch, 3]) {
            h = tanh(h * step + w) * sigmoid(step + h);
            yield h
        };
        let slope = gradient(last, x);
        output y, last, slope;
        loss squared_error(last, t) + mean(slope * slope);
    }
}

const X: [[f32; 3]; 2] = [[0.2, 0.7, -1.4], [2.6, -0.1, 0.0]];
const Z: [[f32; 3]; 2] = [[0.5, -3.0, 1.0], [2.0, 0.25, -0.5]];

/// Losses are named, and what is asked for is the gradient by `by`.
fn gradient_of(loss: &str, by: &str) -> Vec<f32> {
    let net = Each::new().seed(1).build().expect("a model");
    let gradients = match loss {
        "chosen" => net.gradients_of(Some(loss), &[by], (&X, &[2, 0]), ()),
        _ => net.gradients_of(Some(loss), &[by], (&X, &Z), ()),
    };
    let gradients = gradients.unwrap_or_else(|error| panic!("{error}"));
    gradients.get(by).expect("a gradient").as_f32().expect("floats").to_vec()
}

#[test]
fn what_arrives_is_what_the_formula_makes_of_it() {
    let z: Vec<f32> = Z.concat();
    assert_eq!(gradient_of("straight", "x"), z);
    assert_eq!(gradient_of("turned", "x"), z.iter().map(|z| -0.5 * z).collect::<Vec<f32>>());
    assert_eq!(gradient_of("cut", "x"), [0.5, -1.0, 1.0, 1.0, 0.25, -0.5]);
    let own = X.concat().into_iter().zip(&z).map(|(x, z)| z.clamp(-1.0, 1.0) * x * 2.0);
    assert_eq!(gradient_of("of_rust", "x"), own.collect::<Vec<f32>>());
    // Σ x²·z
    let both = X.concat().into_iter().zip(&z).map(|(x, z)| x * z + z * x);
    assert_eq!(gradient_of("both", "x"), both.collect::<Vec<f32>>());
}

#[test]
fn values_are_those_of_the_body() {
    let net = Each::new().seed(1).build().expect("a model");
    let y = net.forward(&X).expect("values");
    assert_eq!(y.as_f32().expect("floats"), [0.0, 1.0, -1.0, 3.0, 0.0, 0.0]);
}

#[test]
fn integers_get_none_and_a_number_stands_for_a_tensor_of_it() {
    assert_eq!(gradient_of("chosen", "x"), [0.0; 6]);
    let w: Vec<f32> = (0..3).map(|n| 3.0 * X[0][n] + 3.0 * X[1][n]).collect();
    assert_eq!(gradient_of("chosen", "w"), w);
}

#[test]
fn a_true_gradient_written_down_trains_alike() {
    let mut own = Own::new().seed(3).optimizer(sgd(0.1)).build().expect("a model");
    let mut plain = Plain::new().seed(3).optimizer(sgd(0.1)).build().expect("a model");
    let x = Tensor::new([2, 5, 3], (0..30).map(|n| (n as f32 * 0.7).sin()).collect::<Vec<f32>>())
        .expect("a tensor");
    for _ in 0..5 {
        let (a, b) = (own.step(&x, &X).expect("a step"), plain.step(&x, &X).expect("a step"));
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} and {b}");
    }
    let (a, b) = (own.forward_all(&x).expect("values"), plain.forward_all(&x).expect("values"));
    for name in ["y", "last", "slope"] {
        let (a, b) = (a.get(name).expect("one"), b.get(name).expect("one"));
        let pairs = a.as_f32().expect("floats").iter().zip(b.as_f32().expect("floats"));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-4 * (1.0 + b.abs())), "{name}");
    }
}

/// The words of the mistakes in what `body` declares.
fn refused(body: impl Fn(&Value, &Value) -> Value) -> String {
    use downhill::builder::{Builder, Mode};
    let b = Builder::new(Mode::Train);
    let x = b.input("x", Default::default(), [2, 3]);
    let w = b.parameter("w", [3], downhill::random::Initializer::Ones);
    let y = body(&x, &w);
    assert!(y.node().is_none());
    b.take_errors().iter().map(|error| format!("{error}\n")).collect()
}

#[test]
fn mistakes_of_functions_over_values() {
    let of = |x: &Value| vec![x.clone()];
    let says = |body: &dyn Fn(&Value, &Value) -> Value, words: &str| {
        let text = refused(body);
        assert!(text.contains(words), "{text}");
    };
    says(&|x, w| with_gradient(x * w, &of(x), of), "`w` would not be trained");
    says(
        &|x, _| with_gradient(x * 2.0, &of(x), |_| Vec::new()),
        "a gradient gives 0 values but is one by 1 value",
    );
    says(
        &|x, w| with_gradient(x * 2.0, &of(x), |_| of(w)),
        "the gradient by `x` is f32[3] but `x` is f32[2, 3]",
    );
    says(&|x, _| with_gradient(downhill::value::greater(x, 0.0), &of(x), of), "`with_gradient` needs floats");
    let declares = |x: &Value, _: &Value| {
        with_gradient(x * 2.0, &of(x), |g| {
            let more = g.builder().parameter("more", [3], downhill::random::Initializer::Ones);
            vec![g * more]
        })
    };
    says(&declares, "a gradient declares parameters or states");
    // What the chain rule reaches through the operands may hold parameters.
    let b = downhill::builder::Builder::new(downhill::builder::Mode::Train);
    let w = b.parameter("w", [3], downhill::random::Initializer::Ones);
    let h = &w * 2.0;
    let y = with_gradient(&h * &h, &of(&h), of);
    assert!(gradient(&y, &w).node().is_some());
}
