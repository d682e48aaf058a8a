//! Every form of `network!`, by what it declares or how `build` refuses it. None of them warns.
#![deny(warnings)]

use downhill::builder::{Declaration, Mode};
use downhill::prelude::*;

/// x·sigmoid(β·x), a Rust function called by its path.
fn swish(x: &Value, beta: f64) -> Value {
    downhill::composite::sigmoid(x * beta) * x
}

fn scaled(x: &Value, sizes: &[usize], times: usize) -> Value {
    x * (sizes.len() * times) as f64
}

network! {
    layer pair(x: [batch, n], y: [batch, n], units) -> [batch, units + 1] {
        let joined = linear(concatenate(x, y, axis: -1), units + 1, bias: false);
        joined
    }

    layer twice(x, units) {
        let first = linear(x, units);
        shared again = linear(units, init: normal(0.0, 0.1));
        again(again(first))
    }

    /// Of everything a bit.
    #[derive(PartialEq)]
    pub Forms(
        /// Number of units.
        hidden: usize,
        rate: f32,
        flag: bool,
        sizes: Vec<usize>,
    ) {
        /// Statements may have comments.
        input x: [batch, 2 * 3];
        input z: [batch, width];
        input mask: bool[batch];
        target y: [batch, hidden + 1];

        param scale: [hidden + 1] = ones();
        state seen: i32[2] = zeros();
        let start = pair(x, x, units: hidden);
        let a = pair(linear(x, hidden), dropout(linear(x, hidden), rate), hidden);
        let b = twice(a, { hidden + 1 });
        for i in 0..{ sizes.len() } {
            param gain: [hidden + 1] = constant(1.0 / hidden);
            let step = linear(b, { sizes[i] }) * i;
            b = b + linear(step, hidden + 1, bias: flag) * gain;
        }
        let c = self::swish(b * scale, 1.5) + self::scaled(b, sizes, 2);
        let d = select(c > 0.0, c, -c / 2) + 1 / 2;
        let count = sum(z) * 0.0;
        output c, e = d * rate;
        loss   main = squared_error(d, y) + 1e-3 * squares(a.2.joined.weight) + count;
        shared enc = linear(hidden);
        loss   second over enc = mean(enc(x)) + mean(enc(x * 2)) + mean(start);
        loss   third = mean(start);
    }
}

fn declared(network: &impl Network) -> Declaration {
    network.declaration(Mode::Train).unwrap_or_else(|errors| panic!("{errors}"))
}

/// `name: shape` of every storage, with the arguments' numbers.
fn storages(declaration: &Declaration) -> Vec<String> {
    let graph = &declaration.graph;
    graph
        .storages
        .iter()
        .map(|storage| format!("{}: {}", storage.name, storage.ty.shape.bind(&graph.bindings)))
        .collect()
}

#[test]
fn all_forms_together() {
    let network = Forms::new(3, 0.5, true, vec![7, 8]);
    assert_eq!(network, network.clone());
    let declaration = declared(&network);
    let expected = [
        "scale: [4]",
        "seen: [2]",
        "start.joined.weight: [12, 4]",
        "a.0.weight: [6, 3]",
        "a.0.bias: [3]",
        "a.1.weight: [6, 3]",
        "a.1.bias: [3]",
        "a.2.joined.weight: [6, 4]",
        "b.first.weight: [4, 4]",
        "b.first.bias: [4]",
        "b.again.weight: [4, 4]",
        "b.again.bias: [4]",
        "gain.0: [4]",
        "step.0.weight: [4, 7]",
        "step.0.bias: [7]",
        "b.0.weight: [7, 4]",
        "b.0.bias: [4]",
        "gain.1: [4]",
        "step.1.weight: [4, 8]",
        "step.1.bias: [8]",
        "b.1.weight: [8, 4]",
        "b.1.bias: [4]",
        "enc.weight: [6, 3]",
        "enc.bias: [3]",
    ];
    assert_eq!(storages(&declaration), expected);
}

network! {
    layer narrow(x: [batch, n], size) -> [batch, size] {
        x + linear(x, size)
    }

    /// Sizes that only the arguments decide.
    pub Late(a: usize, b: usize, turns: usize) {
        input x: [batch, a];
        target y: [batch, 1];
        let h = linear(x, b) * x;
        for _ in 0..turns { h = narrow(h, b); }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

#[test]
fn what_only_arguments_decide_is_refused_when_built_on_the_line_of_the_declaration() {
    assert_eq!(declared(&Late::new(3, 3, 2)).graph.storages.len(), 8);
    let errors = Late::new(3, 4, 2).declaration(Mode::Train).expect_err("3 columns beside 4");
    let text = errors.to_string();
    let declared = |line: &&str| line.contains("let h = linear(x, b) * x;");
    let line = 1 + include_str!("language.rs").lines().take_while(|line| !declared(line)).count();
    assert!(text.contains(&format!("tests/language.rs:{line}:9")), "{text}");
    assert!(text.contains("in `h`") && text.contains("with a = 3, b = 4"), "{text}");
}

/// Both say what the macro cannot see into; it refuses the same where it can (`tests/ui/rows.rs`).
fn centred(x: &Value) -> Value {
    x - downhill::value::mean_over(x, &[1])
}

fn apart(p: &Value, y: &Value) -> Value {
    downhill::value::mean(downhill::value::square(p - y))
}

network! {
    /// A size that a run decides stands where a number is needed.
    pub Centred() {
        input x: [batch, 4];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y) + mean(self::centred(x));
    }

    /// A column beside a vector.
    pub Apart() {
        input x: [batch, 2];
        target y: [batch];
        output p = linear(x, 1);
        loss self::apart(p, y);
    }

    /// The same, as it may be meant.
    pub LinedUp() {
        input x: [batch, 2];
        target y: [batch];
        output p = linear(x, 1);
        loss self::apart(p, expand(y, 1));
        loss every_pair = self::apart(p, expand(y, 0));
    }
}

#[test]
fn sizes_that_agree_for_some_runs_only_are_refused_when_built() {
    let errors = Centred::new().declaration(Mode::Train).expect_err("4 is not batch").to_string();
    assert!(errors.contains("the last axis is 4 in one and batch in the other"), "{errors}");
}

#[test]
fn a_column_beside_a_vector_is_refused_when_built() {
    let errors = Apart::new().declaration(Mode::Train).expect_err("batch beside itself").to_string();
    assert!(errors.contains("`p` and `y` would become [batch, batch]"), "{errors}");
    assert!(errors.contains("tests/language.rs:"), "{errors}");

    let mut net = LinedUp::new().optimizer(sgd(0.0)).build().expect("a network");
    net.set_parameter("p.weight", &[1.0, 2.0]).expect("weights");
    net.set_parameter("p.bias", &[0.0]).expect("a bias");
    let x = [[1.0, 0.0], [0.0, 1.0]];
    assert_eq!(net.step_loss("loss", &x, &[1.0, 2.0]).expect("a step"), 0.0);
    assert_eq!(net.step_loss("every_pair", &x, &[1.0, 2.0]).expect("a step"), 0.5);
}

network! {
    /// Probabilities and logits, each where it is meant: no loss refuses any.
    pub Meant() {
        input  x: [batch, 4];
        target y: [batch, 3];
        target label: i32[batch];
        param share: [3] = constant(0.5);
        state fixed: [3, 3] = constant(0.25);
        let z = linear(x, 3);
        let p = sigmoid(z);
        output z;
        loss b1 = binary_cross_entropy(p, y) + binary_cross_entropy(softmax(z), y);
        loss b2 = binary_cross_entropy(minimum(relu(z), 1.0), y) + binary_cross_entropy((tanh(z) + 1.0) / 2.0, y);
        loss b3 = binary_cross_entropy(0.5 * p + 0.5 * sigmoid(2 * z), y);
        loss b4 = binary_cross_entropy(zeros([batch, 3]) + share, y);
        loss b5 = binary_cross_entropy(p + z - stop_gradient(z), y);
        loss c1 = categorical_cross_entropy(softmax(z) @ fixed, label);
        loss c2 = categorical_cross_entropy(softmax(z) @ softmax(share * fixed), label);
        loss c3 = categorical_cross_entropy(relu(z) / (sum(relu(z), axes: [1], keep: true) + 1e-9), y);
        loss l1 = bce_with_logits(z, y) + bce_with_logits(10 * p - 5, y);
        loss e1 = cross_entropy(z, label) + cross_entropy(log_softmax(z), label) + cross_entropy(tanh(z), label);
        loss n1 = nll(log_softmax(z), label) + nll(log(softmax(z)), label) + nll(-softplus(-z), y);
    }
}

#[test]
fn what_is_meant_is_not_refused() {
    for mode in [Mode::Train, Mode::Infer] {
        Meant::new().declaration(mode).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

network! {
    /// Names as the expansion might use them.
    pub Hygiene(value: usize) {
        input builder: [batch, 2];
        target graph: [batch, 1];
        let composite = linear(builder, { let builder = value; builder });
        let language = composite;
        let __builder_ = language;
        let r#in = relu(language);
        param W: [1] = ones();
        let file = linear(__builder_ + 0.0 * r#in * W, { value + { let composite = 1; composite } });
        output line = linear(file, 1);
        loss squared_error(line, graph);
    }
}

#[test]
fn names_of_the_declaration_meet_no_others() {
    assert_eq!(declared(&Hygiene::new(2)).graph.storages.len(), 7);
}

network! {
    /// What has come together up to each step.
    Course() {
        input  x: [batch, 3];
        target y: [batch, 3];
        param  w: [3] = ones();
        output p = cumsum(x * w, axis: 1);
        loss squared_error(p, y);
    }
}

#[test]
fn a_cumulative_sum_is_called_and_differentiated() {
    let mut net = Course::new().optimizer(sgd(0.02)).build().expect("a network");
    let (x, y) = ([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]], [[0.0, 2.0, 3.5], [0.0, -1.0, -0.5]]);
    let p = net.forward(&x).expect("sums");
    assert_eq!(p.as_f32().expect("f32"), [1.0, 3.0, 6.0, 0.0, -1.0, 0.0]);

    // 2/6·(p − y), summed from behind, times x, over both rows.
    let gradients = net.gradients(&x, &y).expect("gradients");
    let slopes = gradients.get("w").expect("of w").as_f32().expect("f32").to_vec();
    let expected = [4.5, 7.0 - 0.5, 7.5 + 0.5].map(|sum: f32| sum / 3.0);
    assert!(slopes.iter().zip(expected).all(|(slope, by_hand)| (slope - by_hand).abs() < 1e-6), "{slopes:?}");

    for _ in 0..2000 {
        net.step(&x, &y).expect("a step");
    }
    let w = net.parameter("w").expect("a parameter");
    let learned =
        w.as_f32().expect("f32").iter().zip([0.0, 1.0, 0.5]).all(|(w, by_hand)| (w - by_hand).abs() < 1e-3);
    assert!(learned, "{w:?}");
}

network! {
    layer finer(x: [batch, channels, height, width], wanted) -> [batch, wanted, 2 * height, 2 * width] {
        pixel_shuffle(conv(x, 4 * wanted, 1), 2)
    }

    /// Pictures made small, and large again in four ways.
    Pictures(channels: usize, kernel: usize) {
        input  x: [batch, 1, 8, 6];
        shared same_sizes = conv(channels, kernel, padding: same, bias: false);
        let h = max_pool(relu(conv(x, channels, [3, kernel], padding: same)), 2);
        let large = conv_transpose(same_sizes(h), 1, 2, stride: 2) + conv(upsample(h, scale: 2), 1, 1) + finer(h, 1);
        let smooth = upsample_linear(same_sizes(h), sizes: [8, 6], align_corners: true);
        let around = mean(average_pool(reflect_pad(pad(smooth, 0, after: [0, 1], value: 0.5), [1, 0]), [3, 2], stride: 1), axes: 1, keep: true);
        let p = large + around;
        output fine = pixel_unshuffle(replicate_pad(p, 1, after: [1, 3]), 2);
        loss squared_error(p, x) + 1e-3 * mean(square(fine));
    }
}

#[test]
fn pictures_are_made_small_and_large() {
    let mut net = Pictures::new(3, 2).seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let x: Vec<f32> = (0..96).map(|place| ((place * 7) % 11) as f32 / 11.0).collect();
    let x = Tensor::new([2, 1, 8, 6], x).expect("as many as the shape says");
    let first = net.step(&x, ()).expect("a step");
    let last = (0..20).map(|_| net.step(&x, ()).expect("a step")).last().expect("steps");
    assert!(last < first, "the loss went from {first} to {last}");
    assert_eq!(net.forward(&x).expect("pictures").shape(), [2, 4, 5, 5]);
}

network! {
    /// Sums of products by the names of axes.
    pub Sums(width: usize) {
        input  x: [batch, 3];
        target y: [batch, 2];
        let h = linear(x, width);
        output p = einsum("bn,bn,nm->bm", h, h, ones([width, 2]));
        loss squared_error(p, y);
    }
}

#[test]
fn a_sum_of_products_is_written_by_the_names_of_axes() {
    let mut net = Sums::new(4).seed(3).optimizer(sgd(0.01)).build().expect("no mistakes");
    let x = [[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]];
    let first = net.step(&x, &[[1.0, 0.5], [0.0, 1.0]]).expect("a step");
    for _ in 0..2000 {
        net.step(&x, &[[1.0, 0.5], [0.0, 1.0]]).expect("a step");
    }
    // Both columns are one sum: the best that can be is their mean.
    let last = net.step(&x, &[[1.0, 0.5], [0.0, 1.0]]).expect("a step");
    assert!(last < first && (last - 0.156_25).abs() < 1e-3, "{first} {last}");
}

network! {
    /// Words, slopes that are learned or drawn, and functions that order.
    pub Words(width: usize) {
        input  x: [batch, 6];
        target y: [batch, 2];
        param  w: [6, width] = kaiming_normal(mode: fan_out, nonlinearity: relu);
        let h = prelu(x @ w, channels: width, init: constant(0.5));
        h = rrelu(linear(h, width, init: xavier_uniform(nonlinearity: tanh)), lower: 0.1, upper: 0.2);
        let best = top_k(clamp(h, min: -1.0, max: 1.0), 2);
        output p = swiglu(stack(linear(best, 2), split(cumprod(tanh(h), axis: 1), 2, 0, axis: 1), axis: 1), axis: 1);
        output order = argsort(x);
        loss squared_error(reshape(p, [batch, 2]), y) + 1e-3 * norm(w);
    }
}

#[test]
fn words_and_new_functions_are_trained() {
    let mut net = Words::new(8).seed(5).optimizer(sgd(0.05)).build().expect("no mistakes");
    let x = [[0.5, -1.0, 2.0, 0.25, -0.5, 1.5], [1.0, 0.0, -2.0, -0.25, 0.75, -1.5]];
    let y = [[0.2, -0.1], [0.0, 0.3]];
    let deviation = |values: &[f32]| (values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32).sqrt();
    let start = deviation(net.parameter("w").expect("a parameter").as_f32().expect("f32"));
    assert!((start / 0.5 - 1.0).abs() < 0.4, "√2/√8 is 0.5, but {start}");

    let first = net.step(&x, &y).expect("a step");
    for _ in 0..300 {
        net.step(&x, &y).expect("a step");
    }
    let last = net.step(&x, &y).expect("a step");
    assert!(last < first && last.is_finite(), "{first} {last}");
    let outputs = net.forward_all(&x).expect("outputs");
    let order = outputs.get("order").expect("an output").to_f64_vec();
    assert_eq!(order, [1.0, 4.0, 3.0, 0.0, 5.0, 2.0, 2.0, 5.0, 3.0, 1.0, 4.0, 0.0]);
}
