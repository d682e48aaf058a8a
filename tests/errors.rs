//! Every mistake that can be made at run time, and what is said of it. Each message is asserted whole.

use downhill::prelude::*;
use downhill::{Error, dump::Dump};

network! {
    /// One input, one target.
    pub Pair(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        output p = sigmoid(linear(h, 1));
        loss binary_cross_entropy(p, y);
    }
}

network! {
    /// Two inputs, two outputs, two losses.
    pub Twins() {
        input  a: [batch, time, 2];
        input  b: [batch, time];
        target label: i32[batch];
        let s = linear(sum(a, axis: 1), 3) * mean(b);
        output s, q = softmax(s);
        loss first  = cross_entropy(s, label);
        loss second = mean(s * s);
    }
}

fn pair() -> Model {
    Pair::new(3).seed(1).optimizer(sgd(0.1)).build().expect("a network")
}

/// What an error says.
fn says<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn wrong_data() {
    let mut net = pair();
    let flat = |count: usize| vec![0.5_f32; count];
    let shaped = |shape: &[usize]| Tensor::full(shape, 0.5_f32).expect("a tensor");
    assert_eq!(
        says(net.step(&shaped(&[5, 3]), &flat(5))),
        "`x` is declared as [batch, 2], but was given [5, 3]: axis 1 has size 3, not 2"
    );
    assert_eq!(
        says(net.step(&shaped(&[5]), &flat(5)).map(|_| ())),
        "`x` is declared as [batch, 2], but was given [5]: it has 1 axis, not 2 axes"
    );
    assert_eq!(
        says(net.step(&flat(7), &flat(3))),
        "`x` is declared as [batch, 2], but was given 7 numbers: they do not make rows of 2"
    );
    assert_eq!(says(net.step(&shaped(&[5, 2]), &shaped(&[6, 1]))), "`batch` is 5 in `x` but 6 in `y`");
    assert_eq!(
        says(net.step(&shaped(&[5, 2]), &flat(6))),
        "`y` is declared as [batch, 1], but was given 6 numbers: it takes 5"
    );
    assert_eq!(says(net.step(&[[1, 2]], &flat(1))), "`x` is declared as f32, but was given i32");
    let wide = Tensor::full([1, 2], 1e300_f64).expect("a tensor");
    assert_eq!(
        says(net.step(&wide, &flat(1))),
        "`x` is declared as f32, but holds 1e300 at position 0\n   = help: an f32 is up to 3.4e38"
    );
    assert!(says(net.step(&[[1_u8, 2]], &flat(1))).starts_with("`x` is declared as f32, but was given u8"));
    assert_eq!(
        says(net.step((&flat(2), &flat(2)), &flat(1))),
        "`step` takes 1 input (`x`), but 2 were given"
    );
    assert_eq!(says(net.step(&flat(2), ())), "`step` takes 1 target (`y`), but 0 were given");
    assert_eq!(says(net.step((), &flat(1))), "`step` takes 1 input (`x`), but 0 were given");
    assert_eq!(says(net.forward(())), "`forward` takes 1 input (`x`), but 0 were given");
    assert_eq!(
        says(net.step_with(&[("x", &flat(2)), ("z", &flat(1))])),
        "there is no input `z`; there are `x`, `y`"
    );
    assert_eq!(says(net.step_with(&[("x", &flat(2))])), "`step` reads input `y`, which was not given");
    assert_eq!(says(net.step_with(&[("x", &flat(2)), ("x", &flat(2))])), "input `x` is given twice");
    assert_eq!(net.steps_made(), 0);
}

#[test]
fn wrong_sizes_of_symbols() {
    let net = Twins::new().seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let ones = |shape: &[usize]| Tensor::full(shape, 1.0_f32).expect("a tensor");
    assert_eq!(says(net.forward_all((&ones(&[4, 3, 2]), &ones(&[4, 5])))), "`time` is 3 in `a` but 5 in `b`");
    assert_eq!(
        says(net.forward_all((&vec![1.0; 24], &vec![1.0; 12]))),
        "`a` is declared as [batch, time, 2], but was given 24 numbers: \
         a length alone does not tell its shape; give a tensor or nested arrays"
    );
    let outputs = net.forward_all((&ones(&[4, 3, 2]), &ones(&[4, 3]))).expect("outputs");
    assert_eq!(outputs.get("q").expect("q").shape(), [4, 3]);
    assert_eq!(says(outputs.get("r").cloned()), "there is no output `r`; there are `s`, `q`");
}

#[test]
fn several_outputs_and_losses() {
    let mut net = Twins::new().seed(1).optimizer_for("first", sgd(0.1)).build().expect("a network");
    let (a, b) = (Tensor::full([4, 3, 2], 1.0_f32).expect("a"), Tensor::full([4, 3], 1.0_f32).expect("b"));
    assert_eq!(
        says(net.forward((&a, &b))),
        "this network has several outputs: `s`, `q`\n   = help: use `forward_all`, which gives each by its name: `.get(\"s\")?`, or all as `.into_array()?`"
    );
    assert_eq!(
        says(net.step((&a, &b), &[0, 1, 2, 0])),
        "this network has several losses, and none was named\n   = help: name one, as in `step_loss(\"first\", …)`"
    );
    assert_eq!(
        says(net.step_loss("frist", (&a, &b), &[0, 1, 2, 0])),
        "there is no loss `frist`; did you mean `first`?"
    );
    assert_eq!(
        says(net.step_loss("second", (&a, &b), ())),
        "loss `second` has no training step: no optimizer was given for it\n   \
         = help: add `.optimizer(sgd(0.1))` before `.build()`"
    );
    assert!(net.step_loss("first", (&a, &b), &[0, 1, 2, 0]).is_ok());
    assert_eq!(
        says(net.graph("step").map(|_| ())),
        "there is no entry `step`; there are `forward`, `step first`"
    );
}

#[test]
fn classes_out_of_range() {
    let mut net = Twins::new().seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let (a, b) = (Tensor::full([3, 1, 2], 1.0_f32).expect("a"), Tensor::full([3, 1], 1.0_f32).expect("b"));
    let before = net.parameter("s.weight").expect("a parameter");
    assert_eq!(
        says(net.step_loss("first", (&a, &b), &[0, 3, 1])),
        "`label` holds class 3 at position 1, but classes are 0 to 2"
    );
    assert_eq!(
        says(net.step_loss("first", (&a, &b), &[0, 1, -1])),
        "`label` holds class -1 at position 2, but classes are 0 to 2"
    );
    let data = Dataset::new([("a", a), ("b", b), ("label", Tensor::from([2, 1, 7]))]).expect("data");
    let options = EpochOptions { loss: Some("first"), ..EpochOptions::default() };
    assert_eq!(
        says(net.epoch_with(&data, Epoch { batch: 2, seed: 0 }, options)),
        "`label` holds class 7 at position 2, but classes are 0 to 2"
    );
    assert_eq!(before, net.parameter("s.weight").expect("a parameter"));
}

#[test]
fn a_loss_that_is_not_finite_leaves_the_last_good_parameters() {
    let mut net = pair();
    net.step(&[0.1, 0.2], &[1.0]).expect("a step");
    let before = net.parameter("h.weight").expect("a parameter");
    assert_eq!(
        says(net.step(&[f32::NAN, 0.2], &[1.0])),
        "loss `loss` became infinite or NaN in step 0 of this call (steps made before it: 1); \
         its parameters are those from before that step. The first value that is not finite is NaN in input `x` \
         at row 0, position 0 in it: look for NaN and infinities in the data"
    );
    assert_eq!(before, net.parameter("h.weight").expect("a parameter"));

    let x = Tensor::from([[0.1_f32, 0.2], [0.3, 0.4], [f32::INFINITY, 0.0], [0.5, 0.6]]);
    let data =
        Dataset::new([("x", x.clone()), ("y", Tensor::full([4, 1], 1.0_f32).expect("y"))]).expect("data");
    let mut one_by_one = pair();
    one_by_one.step(&[0.1, 0.2], &[1.0]).expect("a step");
    one_by_one.step(&[0.1, 0.2], &[1.0]).expect("a step");
    one_by_one.step(&[0.3, 0.4], &[1.0]).expect("a step");
    let options = EpochOptions { rows: Some(&[0, 1, 2, 3]), ..EpochOptions::default() };
    let mut report = EpochReport::default();
    assert_eq!(
        says(net.epoch_into(&data, Epoch { batch: 1, seed: 0 }, options, &mut report)),
        "loss `loss` became infinite or NaN in step 2 of this call (steps made before it: 3); \
         its parameters are those from before that step. The first value that is not finite is inf in input `x` \
         at row 2, position 0 in it: look for NaN and infinities in the data"
    );
    assert_eq!((report.losses.len(), report.rows, net.steps_made()), (2, 2, 3));
    assert_eq!(net.parameter("h.weight").expect("a"), one_by_one.parameter("h.weight").expect("b"));
}

#[test]
fn nothing_to_train_on() {
    let mut net = pair();
    let nothing = |width: usize| Tensor::new([0, width], Vec::<f32>::new()).expect("nothing");
    assert_eq!(
        says(net.step(&nothing(2), &nothing(1))),
        "a training step needs at least one row, but `batch` is 0"
    );
    assert_eq!(
        says(net.gradients(&nothing(2), &nothing(1))),
        "a training step needs at least one row, but `batch` is 0"
    );
    let data = Dataset::new([("x", nothing(2)), ("y", nothing(1))]).expect("data");
    let report = net.epoch(&data, Epoch { batch: 4, seed: 0 }).expect("an epoch of nothing");
    assert!(report.losses.is_empty() && report.mean().is_nan());
}

#[test]
fn wrong_data_sets() {
    let mut net = pair();
    let (x, y) = (Tensor::full([4, 2], 0.5_f32).expect("x"), Tensor::full([4, 1], 1.0_f32).expect("y"));
    let data = |x: &Tensor, y: &Tensor| Dataset::new([("x", x.clone()), ("y", y.clone())]).expect("data");
    let epoch = Epoch { batch: 2, seed: 0 };
    assert_eq!(
        says(net.epoch(&data(&x, &y), Epoch { batch: 0, seed: 0 })),
        "an epoch with a batch of 0 was asked for\n   = help: a batch is at least 1"
    );
    assert_eq!(
        says(net.epoch(&data(&y, &y), epoch)),
        "`x` is declared as [batch, 2], but was given [4, 1]: axis 1 has size 1, not 2"
    );
    let misnamed = Dataset::new([("x", x.clone()), ("yy", y.clone())]).expect("data");
    assert_eq!(says(net.epoch(&misnamed, epoch)), "there is no input `yy`; there are `x`, `y`");
    let short = Dataset::new([("x", x.clone())]).expect("data");
    assert_eq!(says(net.epoch(&short, epoch)), "`step` reads input `y`, which was not given");
    let options = |rows, learning_rates| EpochOptions { rows, learning_rates, ..EpochOptions::default() };
    assert_eq!(
        says(net.epoch_with(&data(&x, &y), epoch, options(Some(&[0, 4]), None))),
        "there is no row 4\n   = help: the data set has 4 rows"
    );
    assert_eq!(
        says(net.epoch_with(&data(&x, &y), epoch, options(None, Some(&[0.1])))),
        "1 learning rate given for 2 steps\n   \
         = help: give one a step; `data.steps(batch)` says how many there are"
    );
    assert_eq!(says(data(&x, &y).column("z").cloned()), "there is no column `z`; there are `x`, `y`");
}

#[test]
fn wrong_names_and_parameters() {
    let mut net = pair();
    assert_eq!(says(net.parameter("h.wieght")), "there is no parameter `h.wieght`; did you mean `h.weight`?");
    assert_eq!(
        says(net.parameter("encoder")),
        "there is no parameter `encoder`; there are `h.weight`, `h.bias`, `p.weight`, `p.bias`"
    );
    assert_eq!(says(net.state_of("momentum")), "there is no state `momentum`; there are none");
    assert_eq!(says(net.set_learning_rate_of("lost", 0.1)), "there is no loss `lost`; did you mean `loss`?");
    assert_eq!(says(net.set_parameter("h.bias", &[1])), "`h.bias` is declared as f32, but was given i32");
    assert_eq!(
        says(net.set_parameter("h.bias", &[1.0])),
        "`h.bias` is declared as [3], but was given 1 number: it takes 3"
    );
    assert_eq!(
        says(net.set_parameter("h.weight", &[[1.0, 2.0], [3.0, 4.0]])),
        "`h.weight` is declared as [2, 3], but was given [2, 2]: the shapes differ"
    );
    assert_eq!(
        says(net.forward_into(&[0.1, 0.2], &mut [0.0_f32; 2])),
        "`p` is declared as [1, 1], but was given room for 2: it takes 1"
    );
    assert_eq!(
        says(net.forward_into(&[0.1, 0.2], &mut [0_i32; 1])),
        "`p` is declared as f32, but was given i32"
    );
    assert_eq!(
        says(net.gradients_of(None, &["h.weigth"], &[0.1, 0.2], &[1.0])),
        "no parameter or input is called `h.weigth`\n   = known names: `h.weight`, `h.bias`, `p.weight`, `p.bias`, `x`, \
         `y`\n   = help: did you mean `h.weight`?"
    );
    assert_eq!(
        says(net.gradients_of(None, &["x", "p.bias", "x"], &[0.1, 0.2], &[1.0])),
        "the gradient by `x` is asked for twice\n   = help: name each parameter, state and input once"
    );
}

#[test]
fn wrong_options() {
    assert_eq!(
        says(Pair::new(3).batch_sizes([8, 0]).build()),
        "a batch size of 0 was given\n   = help: batch sizes are 1 to 4294967295: rows are counted in 32 bits"
    );
    assert_eq!(
        says(Pair::new(3).optimizer_for("judge", sgd(0.1)).build()),
        "there is no loss `judge`; there is only `loss`"
    );
    assert_eq!(
        says(Pair::new(3).optimizer_for("loss", sgd(0.1)).optimizer_for("loss", sgd(0.2)).build()),
        "optimizer of loss `loss` is given twice"
    );
    let error = says(Pair::new(3).optimizer(sgd(f64::NAN)).build());
    assert!(error.starts_with("a learning rate of NaN"), "{error}");
    assert_eq!(
        says(Dump::parse("kernels")),
        "there is no stage for DOWNHILL_DUMP `kernels`; did you mean `kernel`?"
    );
    let mut untrained = Pair::new(3).build().expect("a network");
    assert!(untrained.forward(&[0.1, 0.2]).is_ok());
    assert_eq!(
        says(untrained.step(&[0.1, 0.2], &[1.0])),
        "loss `loss` has no training step: no optimizer was given for it\n   \
         = help: add `.optimizer(sgd(0.1))` before `.build()`"
    );
}

/// What the macro cannot see into; where it can, it refuses the same (`tests/ui/told.rs`).
fn of_every_moment(x: &Value) -> Value {
    downhill::composite::linear(x, 1, downhill::composite::Linear::default())
}

network! {
    /// A weight for every moment: as many as the data says.
    pub Moments() {
        input  x: [batch, time];
        target y: [batch, 1];
        output p = self::of_every_moment(x);
        loss squared_error(p, y);
    }
}

#[test]
fn parameters_whose_size_hangs_on_the_data() {
    let error = says(Moments::new().build());
    let [first, place, rest @ ..] = &error.lines().collect::<Vec<_>>()[..] else { panic!("{error}") };
    assert_eq!(*first, "the size of parameter `p.weight`, [time, 1], hangs on the data");
    assert!(place.starts_with("  --> tests/errors.rs:"), "{place}");
    assert_eq!(rest.last(), Some(&"   = help: make `time` an argument of the network, or a number"));
}

/// Sizes that no machine has are errors, not panics or wrong sizes.
#[test]
fn sizes_beyond_memory() {
    for hidden in [usize::MAX, usize::MAX / 2, 1 << 62, 1 << 50] {
        let error = says(Pair::new(hidden).optimizer(sgd(0.1)).build());
        assert!(
            error.starts_with("axis 1 of `weight`, `hidden`, is more than memory can hold"),
            "{hidden}: {error}"
        );
        assert!(error.contains("in `h`") && error.contains("with hidden = "), "{hidden}: {error}");
    }
    let net = pair();
    let odd = Tensor::new([usize::MAX, 0], Vec::<f32>::new()).expect("no elements");
    assert!(says(net.forward(&odd)).starts_with("`x` is declared as [batch, 2], but"));
}

network! {
    layer product(x: [batch, n], units) -> [batch, units] {
        param a: [n, units] = zeros();
        x @ a
    }
    /// No bias, so that without hidden units there is nothing to learn.
    pub Bare(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(product(x, hidden));
        output p = product(h, 1);
        loss squared_error(p, y);
    }
}

/// Nothing is a size too.
#[test]
fn a_network_without_hidden_units() {
    let error = says(Pair::new(0).build());
    assert!(error.starts_with("`linear` with 0 units\n  --> tests/errors.rs:"), "{error}");
    assert!(error.contains("in `h`"), "{error}");
    let mut net = Bare::new(0).optimizer(sgd(0.1)).batch_sizes([2]).build().expect("a network");
    for rows in [1, 2, 50] {
        let (x, y) = (vec![[0.5, 0.25]; rows], vec![[3.0]; rows]);
        assert_eq!(net.step(&x, &y).expect("a step"), 9.0);
        assert_eq!(net.forward(&x).expect("outputs"), Tensor::full([rows, 1], 0.0_f32).expect("zeros"));
    }
}

#[test]
fn learning_rates_that_would_ruin_the_parameters() {
    let mut net = pair();
    for rate in [f32::NAN, f32::INFINITY, -0.1] {
        assert_eq!(
            says(net.set_learning_rate(rate)),
            format!(
                "a learning rate of {rate} was given\n   = help: a learning rate is a finite number from 0 on"
            )
        );
    }
}

#[test]
fn room_for_an_output_that_is_none() {
    let net = pair();
    let x = [[0.1, 0.2], [0.3, 0.4]];
    let tensor = |shape: &[usize]| Tensor::full(shape, 0.0_f32).expect("a tensor");
    assert_eq!(
        says(net.forward_into(&x, &mut tensor(&[1, 2]))),
        "`p` is declared as [2, 1], but was given [1, 2]: the shapes differ"
    );
    assert_eq!(
        says(net.forward_into(&x, &mut Tensor::full([2, 1], 0.0_f64).expect("a tensor"))),
        "`p` is declared as f32, but was given f64"
    );
    assert_eq!(
        says(net.gradients_into(None, ["h.weight"], &x, &[1.0, 0.0], [&mut tensor(&[3, 2])])),
        "`h.weight` is declared as [2, 3], but was given [3, 2]: the shapes differ"
    );
    let signs = Signs::new().build().expect("a network");
    assert_eq!(
        says(signs.forward_into(&x, &mut Tensor::full([2, 2], false).expect("a tensor"))),
        "`positive` is a mask, which is written as u32, not as bool\n   \
         = help: give it a `Vec<u32>` or a tensor of u32: 0 is false"
    );
    assert!(signs.forward_into(&x, &mut Tensor::full([2, 2], 0_u32).expect("a tensor")).is_ok());
}

network! {
    /// A mask, and nothing to train.
    pub Signs() {
        input x: [batch, 2];
        output positive = x > 0.0;
        loss mean(x);
    }
}

fn loss_of_scores(z: &Value, y: &Value) -> Value {
    downhill::composite::binary_cross_entropy(z, y)
}

network! {
    /// A loss on probabilities, where the macro cannot see that it is given logits.
    pub Scores() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let z = linear(x, 1);
        output z;
        loss self::loss_of_scores(z, y);
    }
}

#[test]
fn a_loss_that_is_given_something_else_is_refused_when_built() {
    let error = says(Scores::new().build());
    let expected = "`binary_cross_entropy` takes probabilities, but `z` is a product with parameters, which may be any number";
    assert!(error.starts_with(expected) && error.contains("tests/errors.rs:"), "{error}");
    assert!(error.contains("help: take `bce_with_logits`, or the `sigmoid` of it"), "{error}");
}
