//! What values and composites refuse and what shapes they give, checked through the builder.

mod declared;

use declared::{input, mistake, shape, typed};
use downhill_graph::dim::Dim;
use downhill_graph::random::Initializer;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{self, Argument, Linear, call, linear, relu, signature};
use downhill_nn::value::*;

fn builder() -> Builder {
    Builder::new(Mode::Train)
}

#[test]
fn broadcasting_is_numpys_but_for_symbols() {
    let b = builder();
    let x = input(&b, "x", &["batch", "3"]);
    assert_eq!(shape(&(&x + input(&b, "row", &["3"]))), "[batch, 3]");
    assert_eq!(shape(&(&x * input(&b, "column", &["batch", "1"]))), "[batch, 3]");
    assert_eq!(shape(&(input(&b, "one", &["1", "1", "1"]) - &x)), "[1, batch, 3]");
    assert_eq!(shape(&(2.0 / &x)), "[batch, 3]");
    assert_eq!(shape(&-(1.0 - x.clone() + 3)), "[batch, 3]");
    let hidden = b.argument("hidden", 1);
    let h = b.input("h", F32, vec![hidden]);
    assert_eq!(
        mistake(&(&x + h)),
        "`x` and `h` do not fit: the last axis is 3 in one and hidden in the other\n   = `x`: [batch, 3]    `h`: [hidden]\n   \
         = help: give both the same size: 3 and hidden agree for some values only"
    );
}

#[test]
fn elementwise_misfit_says_where() {
    let b = builder();
    let (a, c) = (input(&b, "a", &["batch", "3"]), input(&b, "b", &["batch", "4"]));
    assert_eq!(
        mistake(&(a + c)),
        "`a` and `b` do not fit: axis 1 is 3 in one and 4 in the other\n   = `a`: [batch, 3]    `b`: [batch, 4]\n   \
         = help: make both sizes the same; only an axis written as the number 1 stretches"
    );
}

#[test]
fn no_axis_is_added_that_puts_a_run_time_size_beside_itself() {
    let b = builder();
    let p = input(&b, "p", &["batch", "1"]);
    let y = input(&b, "y", &["batch"]);
    assert_eq!(
        mistake(&(&p - &y)),
        "`p` and `y` would become [batch, batch], which puts `batch` beside itself\n   = `p`: [batch, 1]    `y`: [batch]\n   \
         = help: `expand(y, 1)` lines them up, as `reshape` of either can; `expand(y, 0)` says that every pair is meant"
    );
    assert_eq!(shape(&(&p - expand(&y, 1))), "[batch, 1]");
    assert_eq!(shape(&(&p - expand(&y, 0))), "[batch, batch]");
    assert_eq!(shape(&(&p - transpose(&p))), "[batch, batch]");
    let deep = input(&b, "deep", &["batch", "1", "1"]);
    assert!(mistake(&(&deep - &y)).contains("`reshape(y, [batch, 1, 1])` lines"));
    assert!(mistake(&(&deep - &y)).contains("`reshape(y, [1, 1, batch])` says"));
    let rows = input(&b, "rows", &["batch", "4"]);
    assert!(mistake(&(expand(&rows, 1) * &rows)).contains("would become [batch, batch, 4]"));
    assert!(mistake(&(&p + &deep)).contains("would become [batch, batch, 1]"));
    let double = concatenate(&b, &[&y, &y], 0);
    assert!(mistake(&(&p * double)).contains("would become [batch, 2*batch]"));
    let half = slice(&y, 0, 0, None, 2);
    assert!(mistake(&(&p * half)).contains("puts `batch` beside itself"));

    // Everything that aligns.
    let mask = greater(&p, 0.0);
    let refused: [&dyn Fn() -> Value; 8] = [
        &|| greater(&p, &y),
        &|| maximum(&y, &p),
        &|| pow(&p, &y),
        &|| select(&mask, &y, 0.0),
        &|| select(greater(&y, 0.0), &p, 1.0),
        &|| select(&mask, 0.0, &y),
        &|| and(&mask, less(&y, 0.0)),
        &|| equal(&y, &p),
    ];
    for refused in refused {
        assert!(mistake(&refused()).contains("puts `batch` beside itself"));
    }
}

#[test]
fn axes_that_are_added_elsewhere_stay() {
    let b = builder();
    let scores = input(&b, "scores", &["batch", "time", "time"]);
    let time = input(&b, "time", &["time"]);
    let column = input(&b, "column", &["batch", "time", "1"]);
    assert_eq!(shape(&(&scores + &time)), "[batch, time, time]");
    assert_eq!(shape(&(&scores + input(&b, "mask", &["time", "time"]))), "[batch, time, time]");
    assert_eq!(shape(&(&column + input(&b, "mask2", &["time", "time"]))), "[batch, time, time]");
    assert_eq!(shape(&(&column - expand(&time, 0))), "[batch, time, time]");
    assert!(mistake(&(&column - &time)).contains("puts `time` beside itself"));
    assert_eq!(
        shape(&(input(&b, "h", &["batch", "time", "8"]) + input(&b, "e", &["time", "8"]))),
        "[batch, time, 8]"
    );
    assert_eq!(shape(&(input(&b, "of", &["batch", "1"]) + &time)), "[batch, time]");
    // A mask of every pair makes no pair anew.
    let pairs = greater(input(&b, "pairs", &["time", "time"]), 0.0);
    assert_eq!(shape(&select(pairs, input(&b, "t", &["time", "1"]), &time)), "[time, time]");
    // What an argument tells is no row of the data.
    let width = b.argument("width", 5);
    let (a, c) = (b.input("a", F32, [width.clone(), Dim::from(1)]), b.input("c", F32, [width]));
    assert_eq!(shape(&(a - c)), "[width, width]");
}

#[test]
fn a_misfit_of_ranks_names_the_axis_to_add() {
    let b = builder();
    let x = input(&b, "x", &["batch", "4"]);
    let m = input(&b, "m", &["batch"]);
    assert_eq!(
        mistake(&(&x - &m)),
        "`x` and `m` may not fit: the last axis is 4 in one and batch in the other\n   = `x`: [batch, 4]    `m`: [batch]\n   \
         = help: axes are lined up at the last: `expand(m, 1)` adds one, as `keep: true` keeps one that is folded away"
    );
    assert!(mistake(&(&x - mean_over(&x, &[1]))).contains("`expand(…, 1)`"));
    assert_eq!(shape(&(&x - expand(&m, 1))), "[batch, 4]");
}

#[test]
fn matmul_adds_no_axis_that_puts_a_run_time_size_beside_itself() {
    let b = builder();
    let x = input(&b, "x", &["batch", "3"]);
    let own = input(&b, "own", &["batch", "3", "5"]);
    assert_eq!(
        mistake(&matmul(&x, &own)),
        "`own` and `x` would become [batch, batch, 5], which puts `batch` beside itself\n   \
         = `own`: [batch, 3, 5]    `x`: [batch, 3]\n   \
         = help: `expand(x, 1)` gives each row its own matrix; `expand(x, 0)` says that every pair is meant"
    );
    assert_eq!(shape(&matmul(expand(&x, 1), &own)), "[batch, 1, 5]");
    assert_eq!(shape(&matmul(expand(&x, 0), &own)), "[batch, batch, 5]");
    assert_eq!(shape(&matmul(&x, transpose(&x))), "[batch, batch]");
    assert!(mistake(&matmul(transpose(&own), transpose(&x))).contains("would become [batch, 5, batch]"));
    let deep = input(&b, "deep", &["batch", "1", "2", "3"]);
    assert!(mistake(&matmul(&deep, &own)).contains("would become [batch, batch, 2, 5]"));
    let wide = input(&b, "wide", &["batch", "time", "3"]);
    assert_eq!(shape(&matmul(&wide, transpose(input(&b, "keys", &["time", "3"])))), "[batch, time, time]");
    assert_eq!(shape(&matmul(input(&b, "v", &["3"]), &own)), "[batch, 5]");
}

#[test]
fn while_checking_only_what_arguments_decide_may_agree() {
    let b = Builder::for_checking();
    let x = input(&b, "x", &["batch", "4"]);
    let width = b.open_argument("width");
    let (by_width, by_4) = (b.input("w", F32, [width.clone()]), input(&b, "four", &["4"]));
    assert_eq!(shape(&(&by_width + &by_4)), "[width]");
    assert_eq!(shape(&(&x + &by_width)), "[batch, 4]");
    let unknown = b.fresh_dim("unknown");
    assert_eq!(shape(&reshape(&x, [unknown.clone(), Dim::from(3)])), format!("[{unknown}, 3]"));
    let (z, rows) = (input(&b, "z", &["time", "4"]), input(&b, "rows", &["batch"]));
    let misfits: [&dyn Fn() -> Value; 6] = [
        &|| &x - mean_over(&x, &[1]),
        &|| matmul(&x, &x),
        &|| concatenate(&b, &[&x, &z], 1),
        &|| reshape(&x, [Dim::symbol("batch"), Dim::from(3)]),
        &|| reshape(&x, [width.clone()]),
        &|| &by_width + &rows,
    ];
    for misfit in misfits {
        mistake(&misfit());
    }
}

#[test]
fn matmul_shapes() {
    let b = builder();
    let m = input(&b, "m", &["batch", "2"]);
    let w = input(&b, "w", &["2", "5"]);
    assert_eq!(shape(&matmul(&m, &w)), "[batch, 5]");
    let v = input(&b, "v", &["2"]);
    assert_eq!(shape(&matmul(&m, &v)), "[batch]");
    assert_eq!(shape(&matmul(&v, &w)), "[5]");
    assert_eq!(shape(&matmul(&v, &v)), "[]");
    let deep = input(&b, "deep", &["heads", "batch", "time", "2"]);
    assert_eq!(shape(&matmul(&deep, &w)), "[heads, batch, time, 5]");
    assert_eq!(shape(&matmul(&deep, transpose(&deep))), "[heads, batch, time, time]");
    let side = input(&b, "side", &["1", "2", "7"]);
    assert_eq!(shape(&matmul(&deep, &side)), "[heads, batch, time, 7]");
    assert_eq!(shape(&matmul(&m, input(&b, "right", &["heads", "2", "7"]))), "[heads, batch, 7]");
    assert_eq!(shape(&matmul(&v, input(&b, "right3", &["heads", "2", "7"]))), "[heads, 7]");
}

#[test]
fn matmul_misfit_speaks_of_columns_and_rows() {
    let b = builder();
    let x = input(&b, "x", &["batch", "2"]);
    let a = b.parameter("a", [Dim::from(3), Dim::symbol("units")], Initializer::Zeros);
    assert_eq!(
        mistake(&matmul(&x, &a)),
        "`x` has 2 columns but `a` has 3 rows\n   = `x`: [batch, 2]    `a`: [3, units]\n   \
         = help: declare `param a: [2, units]`"
    );
    let t = input(&b, "t", &["5", "2"]);
    assert!(mistake(&matmul(&x, &t)).ends_with("help: `x @ transpose(t)` would fit"));
}

#[test]
fn literals_follow_and_tensors_do_not() {
    let b = builder();
    let i = typed(&b, "i", I32, &["batch"]);
    assert_eq!((&i * 2 + 1.0).ty().unwrap().to_string(), "i32[batch]");
    assert!(mistake(&(&i * 1.5)).starts_with("`1.5` is no i32"));
    let x = input(&b, "x", &["batch"]);
    assert_eq!(
        mistake(&(&i * &x)),
        "`i` is i32 but `x` is f32\n   = help: convert one of them: `i32(…)` or `f32(…)`"
    );
    assert!(mistake(&exp(&i)).starts_with("`exp` needs floats but `i` is i32[batch]"));
    assert!(mistake(&(less(&x, 0.0) + 1.0)).starts_with("one operand is bool but `1.0` is f32"));
    assert!(
        mistake(&(less(&x, 0.0) + less(&x, 1.0))).starts_with("`+` needs numbers but its operand is a mask")
    );
}

#[test]
fn movement() {
    let b = builder();
    let x = input(&b, "x", &["batch", "4", "6"]);
    assert_eq!(shape(&flatten(&x)), "[batch, 24]");
    assert_eq!(shape(&reshape(&x, vec![Dim::symbol("batch"), Dim::from(-1), Dim::from(3)])), "[batch, 8, 3]");
    assert_eq!(shape(&transpose_by(&x, &[2, 0, 1])), "[6, batch, 4]");
    assert_eq!(shape(&slice(&x, 1, 1, None, 2)), "[batch, 2, 6]");
    assert_eq!(shape(&slice(&x, -1, -2, None, 1)), "[batch, 4, 2]");
    assert_eq!(shape(&concatenate(&b, &[&x, &x], -1)), "[batch, 4, 12]");
    assert_eq!(shape(&sum_over(&x, &[-1, 0])), "[4]");
    assert_eq!(shape(&argmax(&x, -1)), "[batch, 4]");
    assert_eq!(shape(&cumsum(&x, 1)), "[batch, 4, 6]");
    assert_eq!(shape(&expand(&x, -1)), "[batch, 4, 6, 1]");
    assert!(
        mistake(&reshape(&x, vec![Dim::from(7)])).starts_with("`x` with shape [batch, 4, 6] has not as many")
    );
    assert!(mistake(&sum_over(&x, &[3])).starts_with("`x` has no axis 3"));
    assert!(mistake(&cumsum(&x, -4)).starts_with("`x` has no axis -4"));
    assert!(mistake(&cumsum(sum(&x), 0)).starts_with("the operand has no axis 0"));
    let mask = mistake(&cumsum(less(&x, 0.0), 0));
    assert!(mask.starts_with("the operand is a mask, which cannot be summed"), "{mask}");
    assert!(
        mistake(&slice(&x, 1, 3, Some(Dim::from(9)), 1))
            .starts_with("3..9 by 1 is no range of axis 1 of `x`")
    );
    let y = input(&b, "y", &["batch", "5"]);
    assert!(mistake(&concatenate(&b, &[&x, &y], 1)).starts_with("`x` and `y` do not fit beside each other"));
}

#[test]
fn layers_name_their_parameters() {
    let b = builder();
    let x = input(&b, "x", &["batch", "2"]);
    let units = b.argument("hidden", 50);
    let h = b.scope("h", || relu(linear(&x, units, Linear::default())));
    let p = b.scope("p", || {
        let first = linear(&h, 3, Linear { bias: false, ..Linear::default() });
        composite::sigmoid(linear(first, 1, Linear::default()))
    });
    b.output("p", &p);
    assert_eq!(shape(&p), "[batch, 1]");
    let declaration = b.finish().expect("no mistakes");
    let storages: Vec<String> =
        declaration.graph.storages.iter().map(|s| format!("{}: {}", s.name, s.ty.shape)).collect();
    let expected = [
        "h.weight: [2, hidden]",
        "h.bias: [hidden]",
        "p.0.weight: [hidden, 3]",
        "p.1.weight: [3, 1]",
        "p.1.bias: [1]",
    ];
    assert_eq!(storages, expected);
    assert_eq!(declaration.graph.storages[0].initializer, Initializer::FanIn(Dim::from(2)));
}

#[test]
fn calls_by_name() {
    let b = builder();
    let x = input(&b, "x", &["batch", "2"]);
    let h = call(&b, "linear", vec![(&x).into(), 50.0.into()], vec![("bias", false.into())]);
    assert_eq!(shape(&h), "[batch, 50]");
    let loss = call(&b, "bce_with_logits", vec![(&h).into(), 1.0.into()], vec![]);
    assert_eq!(shape(&loss), "[]");
    let both = call(&b, "concatenate", vec![(&x).into(), (&x).into()], vec![("axis", 1.into())]);
    assert_eq!(shape(&both), "[batch, 4]");
    assert_eq!(
        shape(&call(&b, "mean", vec![(&x).into()], vec![("axis", (-1).into()), ("keep", true.into())])),
        "[batch, 1]"
    );
    assert_eq!(
        shape(&call(&b, "multiply", vec![(&x).into(), Dim::symbol("batch").into()], vec![])),
        "[batch, 2]"
    );
    let unknown_rate = vec![(&x).into(), Argument::Unknown];
    assert_eq!(shape(&call(&b, "dropout", unknown_rate, vec![])), "[batch, 2]");
    assert_eq!(shape(&call(&b, "linear", vec![(&x).into(), Argument::Unknown], vec![])), "unknown");
}

#[test]
fn wrong_calls_are_explained() {
    let b = builder();
    let x = input(&b, "x", &["batch", "2"]);
    let x = || Argument::from(&x);
    let wrong = |name, positional, named| mistake(&call(&b, name, positional, named));
    assert_eq!(
        wrong("linaer", vec![x()], vec![]),
        "nothing is called `linaer` here\n   = help: did you mean `linear`?"
    );
    assert_eq!(
        wrong("linear", vec![x()], vec![]),
        "`linear` misses `units`\n   = help: it is called as `linear(x, units, bias: true, init: fan_in)`"
    );
    assert_eq!(
        wrong("relu", vec![x(), x()], vec![]),
        "`relu` takes 1 argument but is given 2\n   = help: it is called as `relu(x)`"
    );
    assert_eq!(
        wrong("leaky_relu", vec![x()], vec![("slop", 0.2.into())]),
        "`leaky_relu` has no argument `slop`\n   = it is called as `leaky_relu(x, slope: 0.01)`\n   = help: did you mean `slope`?"
    );
    assert_eq!(
        wrong("linear", vec![x(), x()], vec![]),
        "`units` of `linear` must be a size, but is the value `x`\n   = help: it is called as `linear(x, units, bias: true, init: fan_in)`"
    );
    assert_eq!(signature("mean"), "mean(x, axes: all, keep: false)");
}

#[test]
fn losses_do_not_broadcast() {
    let b = builder();
    let p = input(&b, "p", &["batch", "1"]);
    let y = input(&b, "y", &["batch"]);
    assert_eq!(
        mistake(&composite::squared_error(&p, &y)),
        "`squared_error` compares `p`, which is [batch, 1], with `y`, which is [batch]\n   \
         = help: both must have the same shape, or the second be a scalar; `expand(y, 1)` makes them so"
    );
    assert!(mistake(&composite::squared_error(&y, &p)).ends_with("`expand(y, 1)` makes them so"));
    let logits = input(&b, "logits", &["batch", "10"]);
    let label = typed(&b, "label", I32, &["batch"]);
    assert_eq!(shape(&composite::cross_entropy(&logits, &label)), "[]");
    let declaration = b.finish().expect("no mistakes");
    assert_eq!(declaration.graph.inputs[3].below, Some(Dim::from(10)));
}

#[test]
fn unknown_gives_no_second_message() {
    let b = builder();
    let nothing = b.unknown();
    let x = input(&b, "x", &["batch", "2"]);
    let y = relu(matmul(linear(&nothing, 3, Linear::default()), &x));
    assert!(y.node().is_none() && b.take_errors().is_empty());
}

#[test]
fn initialisers_by_name() {
    let b = builder();
    let make = |name: &str, positional: Vec<Argument>| composite::initializer(&b, name, positional, vec![]);
    let normal = make("normal", vec![0.0.into(), 2.into()]);
    assert_eq!(normal, Ok(Initializer::Normal { mean: 0.0, deviation: 2.0 }));
    assert_eq!(make("fan_in", vec![Dim::symbol("n").into()]), Ok(Initializer::FanIn(Dim::symbol("n"))));
    assert!(make("uniform", vec![1.0.into(), 0.0.into()]).is_err());
    assert_eq!(make("normall", vec![]).unwrap_err().help.as_deref(), Some("did you mean `normal`?"));
}

#[test]
fn values_of_two_networks_do_not_meet() {
    let (one, two) = (Builder::new(Mode::Train), Builder::new(Mode::Train));
    let (a, b) = (one.input("a", F32, [3]), two.input("b", F32, [3]));
    assert!(add(&a, exp(exp(&b))).node().is_none());
    assert_eq!(one.take_errors()[0].message, "values of two networks meet in one operation");
}

#[test]
fn lookups_have_the_shape_of_their_indices() {
    let b = builder();
    let x = input(&b, "x", &["batch", "5", "3"]);
    let words = typed(&b, "words", I32, &["batch", "time"]);
    let one = typed(&b, "one", I32, &[]);
    assert_eq!(shape(&take(input(&b, "table", &["9", "4"]), &words, 0)), "[batch, time, 4]");
    assert_eq!(shape(&take(&x, typed(&b, "m", I32, &["m"]), 1)), "[batch, m, 3]");
    assert_eq!(shape(&take(&x, &one, -1)), "[batch, 5]");
    assert_eq!(shape(&gather(&x, typed(&b, "g", I32, &["batch", "2", "3"]), 1)), "[batch, 2, 3]");
    assert_eq!(shape(&pick(&x, typed(&b, "p", I32, &["batch", "5"]), -1)), "[batch, 5]");
    assert_eq!(shape(&pick(&x, typed(&b, "q", I32, &["batch", "3"]), 1)), "[batch, 3]");
    assert_eq!(shape(&scatter_add(&x, typed(&b, "s", I32, &["batch", "5"]), 7, 0)), "[7, 3]");
    assert_eq!(
        shape(&scatter_add(&x, typed(&b, "t", I32, &["5"]), Dim::symbol("batch"), 1)),
        "[batch, batch, 3]"
    );
    let e = call(&b, "embedding", vec![words.into(), 9_i64.into(), 4_i64.into()], vec![]);
    assert_eq!(shape(&e), "[batch, time, 4]");
    assert_eq!(signature("embedding"), "embedding(indices, count, width, padding: none, init: normal)");
}

#[test]
fn lookups_that_do_not_fit_say_what_would() {
    let b = builder();
    let x = input(&b, "x", &["batch", "5"]);
    let floats = input(&b, "f", &["batch"]);
    let words = typed(&b, "words", I32, &["batch"]);
    let wide = typed(&b, "wide", I32, &["batch", "4"]);
    let help = "declare it as `i32[…]`, or convert it: `i32(…)`";
    let refused: [(&str, &dyn Fn() -> Value); 5] = [
        ("take", &|| take(&x, &floats, 0)),
        ("gather", &|| gather(&x, &floats, 0)),
        ("pick", &|| pick(&x, &floats, 1)),
        ("scatter_add", &|| scatter_add(&x, &floats, 3, 0)),
        ("embedding", &|| composite::embedding(&floats, 3, 2, composite::Embedding::default())),
    ];
    for (name, refused) in refused {
        let said = format!("`{name}` needs i32 indices but `f` is f32[batch]\n   = help: {help}");
        assert_eq!(mistake(&refused()), said);
    }

    assert_eq!(
        mistake(&take(&x, &words, 2)),
        "`x` has no axis 2\n   = its shape is [batch, 5]\n   = help: axes are 0 to 1, or -1 to -2 from the end"
    );
    assert_eq!(
        mistake(&gather(&x, &words, 1)),
        "`x` and `words` do not fit in `gather`\n   = `x`: [batch, 5]    `words`: [batch]\n   \
         = help: `pick` takes one element for each index: `pick(x, words)`"
    );
    assert_eq!(
        mistake(&pick(&x, &wide, -1)),
        "`x` and `wide` do not fit in `pick`\n   = `x`: [batch, 5]    `wide`: [batch, 4]\n   \
         = help: `pick` along axis 1 takes indices of shape [batch]"
    );
    assert_eq!(
        mistake(&scatter_add(&x, &wide, 3, 0)),
        "`x` and `wide` do not fit in `scatter_add`\n   = `x`: [batch, 5]    `wide`: [batch, 4]\n   \
         = help: `scatter_add` takes an index for each element of axis 0 and of those behind it"
    );
    assert!(mistake(&scatter_add(greater(&x, 0.0), &words, 3, 0)).contains("which cannot be summed"));

    let embedding = |count: i64, width: i64, padding: Option<i64>| {
        let options = composite::Embedding { padding: padding.map(Dim::from), init: None };
        mistake(&composite::embedding(&words, count, width, options))
    };
    assert_eq!(embedding(0, 2, None), "`embedding` of 0 indices\n   = help: it needs at least 1");
    assert_eq!(embedding(3, 0, None), "`embedding` of 0 numbers\n   = help: it needs at least 1");
    for padding in [3, -1] {
        assert_eq!(
            embedding(3, 2, Some(padding)),
            format!(
                "`padding` of `embedding` is {padding}, but indices are below 3\n   = help: it must be one of the indices, which count from 0"
            )
        );
    }
}
