//! What layers promise beyond PyTorch's numbers: gradients of first and second order, what they refuse, how they start.

mod declared;
mod differences;

use declared::{input, mistake, shape, typed};
use differences::{Case, Numbers, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

/// The results, each flat.
fn run(b: Builder, results: &[&Value], environment: &Environment, precision: Precision) -> Vec<Vec<f64>> {
    let nodes: Vec<_> = results.iter().map(|value| value.node().expect("known")).collect();
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    graph
        .results
        .extend(nodes.into_iter().enumerate().map(|(n, node)| (Purpose::Output(n.to_string().into()), node)));
    let graph = if precision == Precision::F32 { optimize(&graph) } else { graph };
    let values = interpret(&graph, environment, precision).expect("values");
    values.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn tensor(dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(F32, dims, values).expect("a tensor")
}

const CASES: &[Case] = &[
    Case { name: "layer_norm", inputs: &[&[2, 3, 5]], layer: |x| layer_norm(&x[0], LayerNorm::default()) },
    Case {
        name: "layer_norm, 2 axes",
        inputs: &[&[2, 3, 5]],
        layer: |x| layer_norm(&x[0], LayerNorm { axes: 2, bias: false, ..LayerNorm::default() }),
    },
    Case { name: "rms_norm", inputs: &[&[2, 3, 5]], layer: |x| rms_norm(&x[0], RmsNorm::default()) },
    Case { name: "group_norm", inputs: &[&[2, 6, 3]], layer: |x| group_norm(&x[0], 2, GroupNorm::default()) },
    Case {
        name: "instance_norm",
        inputs: &[&[2, 3, 5]],
        layer: |x| instance_norm(&x[0], InstanceNorm { affine: true, ..InstanceNorm::default() }),
    },
    Case { name: "rotary", inputs: &[&[2, 3, 6]], layer: |x| rotary(&x[0], 100.0) },
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

#[test]
fn layers_keep_shapes_that_only_a_run_tells() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "6"]);
    assert_eq!(shape(&layer_norm(&x, LayerNorm::default())), "[batch, time, 6]");
    assert_eq!(shape(&rms_norm(&x, RmsNorm::default())), "[batch, time, 6]");
    let picture = input(&b, "picture", &["batch", "6", "height", "width"]);
    assert_eq!(shape(&group_norm(&picture, 3, GroupNorm::default())), "[batch, 6, height, width]");
    assert_eq!(shape(&instance_norm(&picture, InstanceNorm::default())), "[batch, 6, height, width]");
    assert_eq!(shape(&channel_dropout(&picture, 0.5)), "[batch, 6, height, width]");
    assert_eq!(shape(&drop_path(&picture, 0.5)), "[batch, 6, height, width]");
    let (channels, groups) = (b.argument("channels", 12), b.argument("groups", 4));
    let wide = b.input("wide", F32, [Dim::symbol("batch"), channels, Dim::symbol("time")]);
    assert_eq!(shape(&group_norm(&wide, groups, GroupNorm::default())), "[batch, channels, time]");
    // While rustc runs, numbers are not known yet.
    let b = Builder::for_checking();
    let (channels, groups) = (b.open_argument("channels"), b.open_argument("groups"));
    let wide = b.input("wide", F32, [Dim::symbol("batch"), channels, Dim::symbol("time")]);
    assert_eq!(shape(&group_norm(&wide, groups, GroupNorm::default())), "[batch, channels, time]");
}

#[test]
fn norms_start_as_pytorchs_and_name_their_parameters() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "6", "4"]);
    b.scope("a", || layer_norm(&x, LayerNorm { axes: 2, ..LayerNorm::default() }));
    b.scope("b", || rms_norm(&x, RmsNorm::default()));
    b.scope("c", || group_norm(&x, 2, GroupNorm::default()));
    b.scope("d", || instance_norm(&x, InstanceNorm { affine: true, ..InstanceNorm::default() }));
    b.scope("e", || instance_norm(&x, InstanceNorm::default()));
    let graph = b.finish().expect("no mistakes").graph;
    let storages: Vec<String> = graph.storages.iter().map(|s| format!("{} {}", s.name, s.ty.shape)).collect();
    let expected = [
        "a.weight [6, 4]",
        "a.bias [6, 4]",
        "b.weight [4]",
        "c.weight [6]",
        "c.bias [6]",
        "d.weight [6]",
        "d.bias [6]",
    ];
    assert_eq!(storages, expected);
    let ones = |name: &str| if name.ends_with("weight") { Initializer::Ones } else { Initializer::Zeros };
    assert!(graph.storages.iter().all(|storage| storage.initializer == ones(&storage.name)));
}

#[test]
fn norms_refuse_what_they_cannot_take() {
    let b = Builder::new(Mode::Train);
    let (x, row) = (input(&b, "x", &["batch", "12", "5"]), input(&b, "row", &["batch"]));
    let norm = |axes| layer_norm(&x, LayerNorm { axes, ..LayerNorm::default() });
    assert_eq!(
        mistake(&norm(4)),
        "`layer_norm` over the last 4 axes of `x`, which has 3\n   = its shape is [batch, 12, 5]\n   \
         = help: `axes` counts from the last one: 1 to 3"
    );
    assert!(mistake(&norm(-1)).starts_with("`layer_norm` over the last -1 axes of `x`, which has 3"));
    assert!(
        mistake(&layer_norm(sum(&x), LayerNorm::default())).ends_with("give it a shape such as `[batch, 1]`")
    );
    assert!(mistake(&rms_norm(&x, RmsNorm { axes: 0, ..RmsNorm::default() })).contains("last 0 axes"));
    let groups = |count: i64| mistake(&group_norm(&x, count, GroupNorm::default()));
    assert_eq!(
        groups(5),
        "`group_norm` cannot divide 12 channels into 5 groups\n   \
         = help: the number of groups must divide that of channels: 4 or 6"
    );
    assert!(groups(24).ends_with("that of channels: 12"));
    assert!(groups(0).starts_with("`group_norm` with 0 groups"));
    let of_time = input(&b, "of_time", &["batch", "time"]);
    assert_eq!(
        mistake(&group_norm(&of_time, 3, GroupNorm::default())),
        "`group_norm` divides time channels into 3 groups, which only a run can tell\n   \
         = help: make the number of channels an argument of the network, or a number"
    );
    assert_eq!(
        mistake(&group_norm(&row, 1, GroupNorm::default())),
        "`group_norm` takes [batch, channels, …], but `row` is [batch]\n   \
         = help: `layer_norm` normalises the last axis of any shape"
    );
    let flat = input(&b, "flat", &["batch", "3"]);
    assert!(mistake(&instance_norm(&flat, InstanceNorm::default())).contains("but `flat` is [batch, 3]"));
    let point = input(&b, "point", &["batch", "3", "1"]);
    assert!(
        mistake(&instance_norm(&point, InstanceNorm::default()))
            .starts_with("`instance_norm` over 1 element")
    );
    let one = b.argument("one", 1);
    let single = b.input("single", F32, [Dim::symbol("batch"), Dim::from(3), one]);
    assert!(mistake(&instance_norm(&single, InstanceNorm::default())).contains("over 1 element"));
    let eps = |eps| mistake(&layer_norm(&x, LayerNorm { eps, ..LayerNorm::default() }));
    assert!(eps(-1.0).starts_with("`layer_norm` with an eps of -1"));
    assert!(eps(1e-50).starts_with("`layer_norm` with an eps of 1e-50, which is 0 in f32"));
    let labels = typed(&b, "labels", I32, &["batch", "3"]);
    assert!(mistake(&layer_norm(&labels, LayerNorm::default())).starts_with("`layer_norm` needs floats"));
    assert!(
        mistake(&channel_dropout(&row, 0.5))
            .starts_with("`channel_dropout` takes [batch, channels, …] but `row` is")
    );
    assert!(
        mistake(&drop_path(sum(&x), 0.5)).starts_with("`drop_path` takes [batch, …] but its operand is []")
    );
    assert!(mistake(&drop_path(&x, 1.5)).starts_with("a dropout rate of 1.5"));
    assert!(b.storage_names().is_empty(), "what is refused leaves no parameters");
}

#[test]
fn an_offset_costs_a_norm_no_more_than_it_cost_its_elements() {
    let mut numbers = Numbers(5);
    let values: Vec<f64> = (0..512).map(|_| f64::from((1e4 + numbers.next()) as f32)).collect();
    let mean = values.iter().sum::<f64>() / 512.0;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 512.0;
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [1, 512]);
    let y = layer_norm(&x, LayerNorm { affine: false, ..LayerNorm::default() });
    let found = run(b, &[&y], &Environment::new().input("x", tensor(&[1, 512], &values)), Precision::F32);
    for (x, found) in values.iter().zip(&found[0]) {
        let exact = (x - mean) / (variance + 1e-5).sqrt();
        // Half of what is between two floats at 10⁴ is 5·10⁻⁴, over a deviation of 0.58.
        assert!((found - exact).abs() < 4e-3, "{found} instead of {exact}");
    }
}

#[test]
fn what_does_not_vary_is_normalised_to_zero() {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [2, 3]);
    let y = layer_norm(&x, LayerNorm { affine: false, ..LayerNorm::default() });
    let slope = gradient(sum(square(&y)), &x);
    let environment = Environment::new().input("x", tensor(&[2, 3], &[2.0; 6]));
    assert_eq!(run(b, &[&y, &slope], &environment, Precision::F32), vec![vec![0.0; 6]; 2]);
}

#[test]
fn whole_channels_and_whole_samples_are_dropped() {
    let b = Builder::new(Mode::Train);
    let x = ones(&b, [200, 20, 3]);
    let (channels, samples) = (channel_dropout(&x, 0.25), drop_path(&x, 0.25));
    let environment = Environment::new();
    let found = run(b, &[&channels, &samples], &environment, Precision::F32);
    for (found, together, dropped) in [(&found[0], 3, 900..1100), (&found[1], 60, 35..65)] {
        let parts: Vec<&[f64]> = found.chunks(together).collect();
        assert!(parts.iter().all(|part| part.iter().all(|x| *x == part[0])), "all or nothing");
        assert!(found.iter().all(|x| *x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6));
        let count = parts.iter().filter(|part| part[0] == 0.0).count();
        assert!(dropped.contains(&count), "{count} of {} are dropped", parts.len());
    }

    let b = Builder::new(Mode::Infer);
    let x = b.input("x", F32, [2, 3, 4]);
    assert_eq!(channel_dropout(&x, 0.5).node(), x.node());
    assert_eq!(drop_path(&x, 0.5).node(), x.node());
}

#[test]
fn a_loss_sees_logits_through_every_dropout() {
    let b = Builder::new(Mode::Train);
    let z = linear(input(&b, "x", &["batch", "4"]), 3, Linear::default());
    for dropped in [dropout(&z, 0.5), channel_dropout(&z, 0.5), drop_path(&z, 0.5)] {
        assert!(mistake(&binary_cross_entropy(dropped, 1.0)).contains("takes probabilities"));
    }
}

#[test]
fn positions_of_waves_add_to_rows_of_any_length() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "6"]);
    assert_eq!(shape(&(&x + sinusoidal_positions(&b, Dim::symbol("time"), 6))), "[batch, time, 6]");
    assert_eq!(shape(&rotary(&x, 10_000.0)), "[batch, time, 6]");
    let wide = b.argument("width", 8);
    let wide = b.input("wide", F32, [Dim::symbol("batch"), Dim::symbol("time"), wide]);
    assert_eq!(shape(&(rotary(&wide, 10_000.0) + &wide)), "[batch, time, width]");
    assert!(b.storage_names().is_empty());

    // While rustc runs, nobody knows whether a width is even.
    let b = Builder::for_checking();
    let wide = b.open_argument("width");
    let wide = b.input("wide", F32, [Dim::symbol("batch"), Dim::symbol("time"), wide]);
    assert_eq!(shape(&(rotary(&wide, 10_000.0) + &wide)), "[batch, time, width]");
}

#[test]
fn products_of_what_is_turned_depend_on_the_distance() {
    let b = Builder::new(Mode::Train);
    let (query, key) = (b.input("query", F32, [1, 4]), b.input("key", F32, [1, 4]));
    // The same row at 40 positions.
    let everywhere = |row: &Value| rotary(matmul(ones(&b, [40, 1]), row), 10_000.0);
    let products = matmul(everywhere(&query), transpose(everywhere(&key)));
    let environment = Environment::new()
        .input("query", tensor(&[1, 4], &[0.3, -1.0, 0.7, 0.2]))
        .input("key", tensor(&[1, 4], &[-0.5, 0.4, 0.9, 1.1]));
    let found = run(b, &[&products], &environment, Precision::F32);
    let at = |query: usize, key: usize| found[0][40 * query + key];
    for shift in 1..30 {
        assert!((at(3, 9) - at(3 + shift, 9 + shift)).abs() < 1e-5);
        assert!((at(9, 9) - at(9 + shift, 9 + shift)).abs() < 1e-5);
    }
    assert!((at(0, 0) - at(0, 9)).abs() > 0.1);
}

#[test]
fn waves_are_right_far_out() {
    let b = Builder::new(Mode::Train);
    let waves = sinusoidal_positions(&b, 5000, 16);
    let found = run(b, &[&waves], &Environment::new(), Precision::F32);
    for (place, found) in found[0].iter().enumerate() {
        let (position, column) = ((place / 16) as f64, place % 16);
        let angle = position / 10_000_f64.powf((column - column % 2) as f64 / 16.0);
        let exact = if column % 2 == 0 { angle.sin() } else { angle.cos() };
        // The angle is an f32 made of few others.
        assert!((found - exact).abs() < 2e-7 + 4e-7 * angle, "{found} instead of {exact} at {place}");
    }
}

#[test]
fn rotary_refuses_what_it_cannot_turn() {
    let b = Builder::new(Mode::Train);
    assert_eq!(
        mistake(&rotary(input(&b, "x", &["batch", "time", "7"]), 10_000.0)),
        "`rotary` turns pairs of columns, but `x` has 7\n   = its shape is [batch, time, 7]\n   \
         = help: give it an even width, such as 6 or 8"
    );
    let unknown = input(&b, "unknown", &["batch", "time", "columns"]);
    assert!(
        mistake(&rotary(&unknown, 10_000.0))
            .ends_with("an even width that is known when the network is built")
    );
    let row = input(&b, "row", &["8"]);
    assert!(
        mistake(&rotary(&row, 10_000.0)).starts_with("`rotary` takes […, time, width], but `row` is [8]")
    );
    let x = input(&b, "even", &["time", "8"]);
    assert!(mistake(&rotary(&x, 0.0)).starts_with("`rotary` with a base of 0"));
    let labels = typed(&b, "labels", I32, &["time", "8"]);
    assert!(mistake(&rotary(&labels, 10_000.0)).starts_with("`rotary` needs floats"));
}
