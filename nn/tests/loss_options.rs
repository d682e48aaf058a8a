//! What losses do with their options beyond PyTorch's numbers: weights, what is ignored and what is refused.

mod declared;

use declared::{input, mistake, run, tensor, typed};
use downhill_graph::interpret::Environment;
use downhill_graph::types::ElementType::I32;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{pick, squares, stop_gradient};

fn weighted(weight: &Value) -> LossOptions {
    LossOptions { weight: Some(weight.clone()), ..LossOptions::default() }
}

fn terms() -> LossOptions {
    LossOptions { reduction: LossReduction::None, ..LossOptions::default() }
}

#[test]
fn a_batch_of_ignored_rows_has_no_loss_and_no_gradient() {
    for class_weight in [false, true] {
        let b = Builder::new(Mode::Train);
        let (z, y) = (input(&b, "z", &["2", "3"]), typed(&b, "y", I32, &["2"]));
        let class_weight = class_weight.then(|| input(&b, "w", &["3"]));
        let options = CrossEntropy { ignore_index: Some(-100), class_weight, ..CrossEntropy::default() };
        let loss = cross_entropy_with(&z, &y, options);
        let environment = Environment::new()
            .input("z", tensor(&[2, 3], &[1.0, 2.0, 3.0, 1e4, -1e4, 0.0]))
            .input("w", tensor(&[3], &[1.0, 2.0, 0.5]))
            .input("y", [-100, -100]);
        assert_eq!(run(b, &loss, &[&z], &environment), [vec![0.0], vec![0.0; 6]]);
    }
}

#[test]
fn a_label_that_is_neither_a_class_nor_ignored_makes_its_row_nan() {
    let b = Builder::new(Mode::Train);
    let (z, y) = (input(&b, "z", &["3", "3"]), typed(&b, "y", I32, &["3"]));
    let options = CrossEntropy { ignore_index: Some(255), terms: terms(), ..CrossEntropy::default() };
    let loss = cross_entropy_with(&z, &y, options);
    let environment = Environment::new().input("z", tensor(&[3, 3], &[0.5; 9])).input("y", [255, 7, 2]);
    let found = run(b, &loss, &[&z], &environment);
    assert!(
        found[0][0] == 0.0 && found[0][1].is_nan() && (found[0][2] - 3_f64.ln()).abs() < 1e-6,
        "{found:?}"
    );
    assert!(found[1].iter().all(|slope| slope.is_finite()), "{found:?}");
}

/// −ln π(a|s)·advantage: the gradient by the logits is (π − one-hot)·advantage over the rows.
#[test]
fn a_policy_learns_by_weighted_rows() {
    let b = Builder::new(Mode::Train);
    let (z, action, advantage) =
        (input(&b, "z", &["2", "2"]), typed(&b, "a", I32, &["2"]), input(&b, "w", &["2"]));
    let options = CrossEntropy { terms: weighted(&stop_gradient(&advantage)), ..CrossEntropy::default() };
    let loss = cross_entropy_with(&z, &action, options);
    let environment = Environment::new()
        .input("z", tensor(&[2, 2], &[0.0; 4]))
        .input("a", [1, 0])
        .input("w", tensor(&[2], &[3.0, -1.0]));
    let found = run(b, &loss, &[&z], &environment);
    assert!((found[0][0] - (3.0 - 1.0) * 2_f64.ln() / 2.0).abs() < 1e-6, "{found:?}");
    assert_eq!(found[1], [0.75, -0.75, 0.25, -0.25]);
}

/// Huber's loss of the value of the action taken, with weights of a replay.
#[test]
fn a_value_of_actions_learns_by_huber_of_what_was_picked() {
    let b = Builder::new(Mode::Train);
    let (q, action) = (input(&b, "q", &["2", "3"]), typed(&b, "a", I32, &["2"]));
    let (target, weight) = (input(&b, "t", &["2"]), input(&b, "w", &["2"]));
    let loss = huber_with(pick(&q, &action, -1), &target, 1.0, weighted(&weight));
    let environment = Environment::new()
        .input("q", tensor(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 4.0]))
        .input("a", [1, 2])
        .input("t", tensor(&[2], &[0.5, 0.0]))
        .input("w", tensor(&[2], &[1.0, 0.5]));
    let found = run(b, &loss, &[&q], &environment);
    assert_eq!(found[0], [(0.125 + 0.5 * 3.5) / 2.0]);
    assert_eq!(found[1], [0.0, 0.25, 0.0, 0.0, 0.0, 0.25]);
}

#[test]
fn weights_that_do_not_fit_are_told() {
    let b = Builder::new(Mode::Train);
    let (p, y) = (input(&b, "p", &["batch", "4"]), input(&b, "y", &["batch", "4"]));
    let of_columns = input(&b, "w", &["4"]);
    let told = mistake(&squared_error_with(&p, &y, weighted(&of_columns)));
    assert!(
        told.starts_with("`w` of `squared_error` is [4], which does not fit its terms, [batch, 4]"),
        "{told}"
    );
    let whole = typed(&b, "k", I32, &["batch"]);
    let told = mistake(&squared_error_with(&p, &y, weighted(&whole)));
    assert!(told.starts_with("`squared_error` needs floats but `k` is i32[batch]"), "{told}");

    let label = typed(&b, "label", I32, &["batch"]);
    let with = |options| cross_entropy_with(&p, &label, options);
    let class_weight = Some(input(&b, "c", &["3"]));
    let told = mistake(&with(CrossEntropy { class_weight, ..CrossEntropy::default() }));
    assert!(
        told.starts_with("`cross_entropy` needs `c` to be [4], one weight for each class, but it is [3]"),
        "{told}"
    );
    let told = mistake(&with(CrossEntropy { label_smoothing: 1.5, ..CrossEntropy::default() }));
    assert!(told.starts_with("`cross_entropy` with a label smoothing of 1.5"), "{told}");
    let ignoring = CrossEntropy { ignore_index: Some(0), ..CrossEntropy::default() };
    let told = mistake(&cross_entropy_with(&p, &y, ignoring));
    assert!(
        told.starts_with("`cross_entropy` ignores a class index, but `y` holds shares of classes"),
        "{told}"
    );

    let pos_weight = input(&b, "many", &["2", "batch", "4"]);
    let told = mistake(&bce_with_logits_with(&p, &y, Some(&pos_weight), LossOptions::default()));
    assert!(told.starts_with("`many` of `bce_with_logits` is [2, batch, 4]"), "{told}");
}

#[test]
fn classes_that_lie_elsewhere_are_found() {
    let b = Builder::new(Mode::Train);
    let (z, y) = (input(&b, "z", &["batch", "3", "h", "w"]), typed(&b, "y", I32, &["batch", "h", "w"]));
    let told = mistake(&cross_entropy(&z, &y));
    assert!(told.contains("`axis: 1` says that the classes are there; they are along axis 3"), "{told}");
    let told = mistake(&cross_entropy_with(&z, &y, CrossEntropy { axis: 4, ..CrossEntropy::default() }));
    assert!(told.starts_with("`z` has no axis 4"), "{told}");
    let by_axis = CrossEntropy { axis: 1, ..CrossEntropy::default() };
    let of_softmax = categorical_cross_entropy_with(softmax(&z, 1), &y, by_axis.clone());
    assert_eq!(of_softmax.node(), cross_entropy_with(&z, &y, by_axis).node());
}

#[test]
fn options_out_of_their_range_are_told() {
    type Make = fn(&Value, &Value) -> Value;
    let told = |make: Make| {
        let b = Builder::new(Mode::Train);
        let (p, y) = (input(&b, "p", &["batch", "4"]), input(&b, "y", &["batch", "4"]));
        mistake(&make(&p, &y))
    };
    let cases: [(&str, Make); 12] = [
        ("`smooth_l1` with a beta of -1", |p, y| smooth_l1(p, y, -1.0, LossOptions::default())),
        ("`pinball` with a tau of 1.5", |p, y| pinball(p, y, 1.5, LossOptions::default())),
        ("`focal` with a gamma of -1", |p, y| focal(p, y, -1.0, None, LossOptions::default())),
        ("`focal` with an alpha of 2", |p, y| focal(p, y, 2.0, Some(2.0), LossOptions::default())),
        ("`dice` with a smooth of -1", |p, y| {
            dice(p, y, Dice { smooth: -1.0, ..Dice::default() }, LossOptions::default())
        }),
        ("`poisson_nll` with an eps of -1", |p, y| {
            poisson_nll(p, y, PoissonNll { eps: -1.0, ..PoissonNll::default() }, LossOptions::default())
        }),
        ("`gaussian_nll` with an eps of 0", |p, y| gaussian_nll(p, y, y, false, 0.0, LossOptions::default())),
        ("`margin_ranking` with a margin of NaN", |p, y| {
            margin_ranking(p, y, 1.0, f64::NAN, LossOptions::default())
        }),
        ("`cosine_embedding` with a margin of inf", |p, y| {
            cosine_embedding(p, y, 1.0, f64::INFINITY, LossOptions::default())
        }),
        ("`triplet_margin` with a p of 0", |p, y| {
            triplet_margin(
                p,
                y,
                y,
                TripletMargin { p: 0.0, ..TripletMargin::default() },
                LossOptions::default(),
            )
        }),
        ("`info_nce` with a temperature of 0", |p, y| info_nce(p, y, 0.0, false, LossOptions::default())),
        ("`multi_margin` with a p of 3", |p, y| {
            multi_margin(p, y, MultiMargin { p: 3, ..MultiMargin::default() }, LossOptions::default())
        }),
    ];
    for (expected, make) in cases {
        assert!(told(make).starts_with(expected), "{}", told(make));
    }
}

#[test]
fn what_a_loss_certainly_does_not_take_is_told() {
    type Make = fn(&Value) -> Value;
    let cases: [(&str, Make); 6] = [
        ("leave the `sigmoid` out", |z| focal(sigmoid(z), 1.0, 2.0, None, LossOptions::default())),
        ("leave the `softmax` out", |z| {
            multilabel_soft_margin(softmax(z, -1), 1.0, None, LossOptions::default())
        }),
        ("say `from_logits: true`, or take the `sigmoid` of it", |z| {
            dice(z, z, Dice::default(), LossOptions::default())
        }),
        ("leave the `sigmoid` out", |z| {
            dice(sigmoid(z), z, Dice { from_logits: true, ..Dice::default() }, LossOptions::default())
        }),
        ("take `cross_entropy`, or the `log_softmax` of it", |z| {
            kl_divergence(z, 1.0, false, LossOptions::default())
        }),
        ("take `categorical_cross_entropy`, or `log_softmax` instead", |z| {
            kl_divergence(softmax(z, -1), 1.0, false, LossOptions::default())
        }),
    ];
    for (mend, make) in cases {
        let b = Builder::new(Mode::Train);
        let z = linear(input(&b, "x", &["batch", "4"]), 3, Linear::default());
        let told = mistake(&make(&z));
        assert!(told.contains(mend), "{told}");
    }
}

#[test]
fn a_penalty_is_on_the_parameters_that_are_chosen() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["2", "3"]);
    let h = b.scope("h", || linear(&x, 2, Linear::default()));
    b.scope("p", || linear(&h, 1, Linear::default()));
    let loss = penalty(&b, 0.5, 0.25, |name| name == "h.weight");
    let [weight, other] = ["h.weight", "p.weight"].map(|name| b.find_storage(name).expect("declared"));
    let told = mistake(&penalty(&b, 0.5, 0.25, |name| name == "weight"));
    assert!(told.contains("there are `h.weight`, `h.bias`, `p.weight`, `p.bias`"), "{told}");
    assert!(mistake(&penalty(&b, -1.0, 0.0, |_| true)).starts_with("`penalty` with an l1 of -1"));

    let weights = tensor(&[3, 2], &[1.0, -2.0, 0.0, 4.0, 0.0, -1.0]);
    let others = tensor(&[2, 1], &[1.0, 1.0]);
    let environment = Environment::new().storage("h.weight", weights).storage("p.weight", others);
    let found = run(b, &(&loss + squares(other) * 0.0), &[&weight], &environment);
    assert_eq!(found[1], [1.0, -1.5, 0.0, 2.5, 0.0, -1.0]);
    assert_eq!(found[0], [0.5 * 8.0 + 0.25 * 22.0]);
}

#[test]
fn a_word_that_is_none_is_told() {
    let b = Builder::new(Mode::Train);
    let p = input(&b, "p", &["batch"]);
    let given =
        |word: Argument| call(&b, "squared_error", vec![(&p).into(), 0.0.into()], vec![("reduction", word)]);
    let told = mistake(&given(Argument::Word("batchmean")));
    let expected = "`reduction` of `squared_error` must be `mean`, `sum` or `none`, but is `batchmean`";
    assert_eq!(told, expected);
    assert!(mistake(&given(1.0.into())).starts_with("`reduction` of `squared_error` must be `mean`"));

    let kind = Kind::Word(&["mean", "sum", "none"]);
    assert_eq!(
        (kind.vocabulary(), kind.words()),
        (&["mean", "sum", "none"][..], "`mean`, `sum` or `none`".into())
    );
    assert_eq!(Kind::Padding.vocabulary(), ["same"]);
    assert!(Kind::Tensor.vocabulary().is_empty());
}
