//! The language of `network!`: what its forms declare, seen in the graph's parameters, outputs and losses, and that it trains.

use downhill::InstructionSet;
use downhill::builder::{Declaration, Mode};
use downhill::prelude::*;

network! {
    /// Two inputs, one hidden layer, one probability.
    pub Classifier(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];

        let h = relu(linear(x, hidden));
        let p = sigmoid(linear(h, 1));

        output p;
        loss   binary_cross_entropy(p, y);
    }
}

network! {
    /// x·A + b, as on the lecture's slide.
    layer affine(x: [batch, n], units) -> [batch, units] {
        param a: [n, units] = normal(0.0, 1.0);
        param b: [units]    = zeros();
        x @ a + b
    }

    /// A stack as deep as you like.
    pub Mlp(width: usize, depth: usize, classes: usize) {
        input  x: [batch, 64];
        target label: i32[batch];

        let h = relu(affine(x, width));
        for _ in 1..depth { h = relu(linear(h, width)); }
        let logits = linear(h, classes);

        output logits, probability = softmax(logits);
        loss   cross_entropy(logits, label) + 1e-4 * squares(h.a);
    }
}

network! {
    layer generator(z: [batch, noise]) -> [batch, 64]  { sigmoid(linear(relu(linear(z, 128)), 64)) }
    layer critic(x: [batch, 64]) -> [batch, 1]         { linear(leaky_relu(linear(x, 128), slope: 0.2), 1) }

    /// Two networks in one, two losses.
    pub Gan(noise: usize) {
        input z: [batch, noise];
        input real: [batch, 64];
        shared g = generator;
        shared d = critic;
        let fake = g(z);
        output fake;
        loss judge  over d = bce_with_logits(d(real), 1.0) + bce_with_logits(d(stop_gradient(fake)), 0.0);
        loss artist over g = bce_with_logits(d(fake), 1.0);
    }
}

network! {
    /// Second derivatives of the network in its own loss.
    pub Heat(width: usize) {
        input  x: [batch, 1];
        input  t: [batch, 1];
        let u = linear(tanh(linear(concatenate(x, t, axis: 1), width)), 1);
        let residual = gradient(u, t) - 0.1 * gradient(gradient(u, x), x);
        output u;
        loss   mean(residual * residual);
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
fn the_first_example() {
    let declaration = declared(&Classifier::new(50));
    assert_eq!(
        storages(&declaration),
        ["h.weight: [2, 50]", "h.bias: [50]", "p.weight: [50, 1]", "p.bias: [1]"]
    );
    assert_eq!(declaration.outputs.len(), 1);
    assert_eq!(&*declaration.losses[0].name, "loss");
    assert_eq!(Classifier::new(3).hidden, 3);
}

#[test]
fn loops_unroll_and_layers_name_their_parameters() {
    let declaration = declared(&Mlp::new(32, 3, 10));
    let expected = [
        "h.a: [64, 32]",
        "h.b: [32]",
        "h.1.weight: [32, 32]",
        "h.1.bias: [32]",
        "h.2.weight: [32, 32]",
        "h.2.bias: [32]",
        "logits.weight: [32, 10]",
        "logits.bias: [10]",
    ];
    assert_eq!(storages(&declaration), expected);
    let outputs: Vec<&str> = declaration.outputs.iter().map(|(name, _)| &**name).collect();
    assert_eq!(outputs, ["logits", "probability"]);
    assert_eq!(declared(&Mlp::new(32, 1, 10)).graph.storages.len(), 4);
}

#[test]
fn shared_instances_have_one_set_of_parameters() {
    let declaration = declared(&Gan::new(8));
    let expected = [
        "g.0.weight: [8, 128]",
        "g.0.bias: [128]",
        "g.1.weight: [128, 64]",
        "g.1.bias: [64]",
        "d.0.weight: [64, 128]",
        "d.0.bias: [128]",
        "d.1.weight: [128, 1]",
        "d.1.bias: [1]",
    ];
    assert_eq!(storages(&declaration), expected);
    let over: Vec<_> = declaration.losses.iter().map(|loss| loss.over.clone()).collect();
    assert_eq!(over, [Some(vec![4, 5, 6, 7]), Some(vec![0, 1, 2, 3])]);
}

#[test]
fn gradients_are_values() {
    let declaration = declared(&Heat::new(16));
    assert_eq!(
        storages(&declaration),
        ["u.0.weight: [2, 16]", "u.0.bias: [16]", "u.1.weight: [16, 1]", "u.1.bias: [1]"]
    );
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 37 % 101) as f32 / 101.0).collect()
}

/// The parameters of one instance.
fn of(net: &Model, instance: &str) -> Vec<Tensor> {
    let names = net.parameters().map(|(name, _)| name).filter(|name| name.starts_with(instance));
    names.map(|name| net.parameter(name).expect("a parameter")).collect()
}

#[test]
fn each_loss_trains_its_own_network_with_its_own_optimizer() {
    let build = Gan::new(8).seed(1).optimizer_for("judge", sgd(0.1)).optimizer_for("artist", adam(0.01));
    let mut net = build.build().expect("a network");
    let (z, real) = (numbers(4 * 8), numbers(4 * 64));
    let (g, d) = (of(&net, "g."), of(&net, "d."));
    assert_eq!((g.len(), d.len()), (4, 4));
    net.step_loss("judge", (&z, &real), ()).expect("a step");
    assert_eq!(of(&net, "g."), g);
    let judged = of(&net, "d.");
    assert_ne!(judged, d);
    let first = net.step_loss("artist", &z, ()).expect("a step");
    assert_eq!(of(&net, "d."), judged);
    assert_ne!(of(&net, "g."), g);
    for _ in 0..50 {
        net.step_loss("artist", &z, ()).expect("a step");
    }
    assert!(net.step_loss("artist", &z, ()).expect("a step") < first);
}

#[test]
fn a_loss_made_of_second_derivatives_trains() {
    let mut net = Heat::new(16).seed(1).optimizer(adam(0.01)).build().expect("a network");
    let (x, t) = (numbers(20), numbers(20).into_iter().rev().collect::<Vec<f32>>());
    let first = net.step((&x, &t), ()).expect("a step");
    for _ in 0..50 {
        net.step((&x, &t), ()).expect("a step");
    }
    let last = net.step((&x, &t), ()).expect("a step");
    assert!(last < 0.1 * first, "{first} and then {last}");
}

#[test]
fn every_stage_of_a_build_can_be_looked_at() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stages");
    drop(std::fs::remove_dir_all(&folder));
    let stages = [
        "graph", "gradient", "updates", "passes", "prepared", "fused", "kernel", "plan", "schedule", "lane",
        "entry", "code",
    ];
    let dump = downhill::dump::Dump::parse(&format!("{}:{}", stages.join(","), folder.display()));
    let build = Classifier::new(3).optimizer(sgd(1.0)).dump(dump.expect("stages"));
    drop(build.build().expect("a network"));
    for stage in stages {
        // A declaration's graph is not an entry's yet: there is one for training and one for inference. The code is all entries'.
        let entry = match stage {
            "graph" => "train",
            "code" => "program",
            _ => "step",
        };
        let path = folder.join(format!("Classifier.{entry}.{stage}.txt"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!text.trim().is_empty(), "{stage}");
    }
    let formulas = std::fs::read_to_string(folder.join("Classifier.step.gradient.txt")).expect("formulas");
    assert!(formulas.contains("∂loss/∂h.weight"), "{formulas}");
}

#[test]
fn machine_code_can_be_looked_at() {
    if !downhill::host::available().contains(&InstructionSet::Avx2) {
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine");
    drop(std::fs::remove_dir_all(&folder));
    let dump = downhill::dump::Dump::parse(&format!("machine:{}", folder.display())).expect("a stage");
    let build = Classifier::new(3).optimizer(sgd(1.0)).target(InstructionSet::Avx2).dump(dump);
    drop(build.build().expect("a network"));
    let text = std::fs::read_to_string(folder.join("Classifier.step.machine.txt")).expect("machine code");
    for word in ["selected for avx2", "allocated for avx2", "loop", "fma", "ymm1"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn gradients_are_written_where_they_are_wanted() {
    let net = Gan::new(8).seed(1).build().expect("a network");
    let (z, real) = (numbers(4 * 8), numbers(4 * 64));
    let by = ["d.1.weight", "z"];
    let expected = net.gradients_of(Some("artist"), &by, (&z, &real), ()).expect("gradients");
    let (mut weight, mut noise) = (vec![0.0; 128], vec![0.0; 4 * 8]);
    let loss = net.gradients_into(Some("artist"), by, (&z, &real), (), [&mut weight, &mut noise]);
    assert_eq!(loss.ok(), expected.loss());
    for (name, found) in by.into_iter().zip([&weight, &noise]) {
        assert_eq!(expected.get(name).and_then(|tensor| Ok(tensor.as_f32()? == found)), Ok(true), "{name}");
    }
    let mut short = vec![0.0; 3];
    let error = net.gradients_into(Some("artist"), ["z"], (&z, &real), (), [&mut short]);
    assert!(error.is_err_and(|error| error.to_string().contains("room for 3")));
    let error = net.gradients_into(Some("artist"), [], (&z, &real), (), []);
    assert!(error.is_err_and(|error| error.to_string().contains("by nothing")));
}

network! {
    /// Parameters alone: of its input only the size counts.
    pub Constant() {
        input  x: [batch, 2];
        target y: [batch, 1];
        param b: [1] = constant(0.5);
        output p = zeros([batch, 1]) + b;
        loss   squared_error(p, y);
    }

    /// Of what nothing reads, `z` alone is asked for: it has as many rows.
    pub Rows() {
        input  other: [time, batch];
        input  z: [batch, width];
        param b: [1] = constant(0.5);
        output p = zeros([batch, 1]) + b;
        loss   mean(square(b));
    }

    /// Of inputs that are not read, only a target has as many rows as there are.
    pub Named() {
        input  x: [2];
        input  z: [time, batch];
        target y: [batch, 1];
        param b: [1] = constant(0.5);
        output p = zeros([3]) * b;
        loss   mean(zeros([batch, 1]) + b) + sum(x);
    }
}

#[test]
fn an_input_that_only_tells_a_size_is_asked_for() {
    let mut net = Constant::new().optimizer(sgd(0.25)).batch_sizes([3]).build().expect("a network");
    for x in [vec![[9.0, 9.0]; 3], vec![[9.0, 9.0]; 2]] {
        let p = net.forward(&x).expect("outputs");
        assert_eq!(p, Tensor::full([x.len(), 1], 0.5_f32).expect("a tensor"));
        // Rows of numbers tell it too.
        assert_eq!(net.forward(x.as_flattened()).expect("outputs"), p);
    }
    let error = net.forward(()).expect_err("no size").to_string();
    assert_eq!(error, "`forward` takes 1 input (`x`), but 0 were given");
    // A step reads y, which tells it: x may be left out.
    assert_eq!(net.step((), &[[1.5], [1.5]]).expect("a step"), 1.0);
    assert_eq!(net.step(&[[0.0, 0.0]], &[[1.0]]).expect("a step"), 0.0);
    let data = Dataset::new([("x", Tensor::from([[0.0_f32, 0.0]; 4])), ("y", Tensor::from([[1.0_f32]; 4]))]);
    net.epoch(&data.expect("data"), Epoch { batch: 2, seed: 0 }).expect("an epoch");
}

#[test]
fn the_first_input_that_tells_a_size_is_asked_for() {
    let mut net = Named::new().optimizer(sgd(0.1)).build().expect("a network");
    assert!(net.forward(()).is_ok());
    let (x, z) = (Tensor::from([1.0_f32, 2.0]), Tensor::full([5, 3], 0.0_f32).expect("a tensor"));
    assert_eq!(net.step(&x, &[[0.0]; 3]).expect("a step"), 3.5);
    let rows = Rows::new().batch_sizes([2]).build().expect("a network");
    assert_eq!(rows.forward(&[[1.0; 3]; 2]).expect("outputs").shape(), [2, 1]);
    assert_eq!(rows.forward((&z, &[[1.0; 4]; 3])).expect("outputs").shape(), [3, 1]);
    let error = net.step(&x, ()).expect_err("no size").to_string();
    assert_eq!(error, "`step` takes 1 target (`y`), but 0 were given");
}

network! {
    /// What is needed in a loss alone is known when it is built.
    pub Folded() {
        input  x: [batch * time];
        target y: [batch];
        param b: [1] = zeros();
        output p = zeros([3]) + b;
        loss   mean(zeros([time, 1]) + b) + mean(y);
    }
}

#[test]
fn a_size_that_nothing_tells_is_refused_when_built() {
    let error = Folded::new().optimizer(sgd(0.1)).build().expect_err("no time").to_string();
    assert!(error.starts_with("nothing that `step` is given tells the size of `time`"), "{error}");
    assert!(error.contains("tests/network.rs:") && error.contains("does not tell its parts"), "{error}");
}
