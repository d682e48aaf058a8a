//! Training curves against PyTorch's of `tests/golden/curves.txt`, in the interpreter's f64.

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::Op;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32, F64, I32};
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{Linear, binary_cross_entropy, cross_entropy, linear, relu, sigmoid};
use downhill_nn::optimizers::{Optimizer, adam, adamw, sgd};
use std::collections::BTreeMap;

type Lines = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

fn golden() -> Lines {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/curves.txt");
    let text = std::fs::read_to_string(path).expect("the golden file");
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().expect("a name").to_owned();
        let dims = words.next().expect("dims").split('x').map(|dim| dim.parse().expect("a dim")).collect();
        let mut values: Vec<f64> = words.map(|word| word.parse().expect("a number")).collect();
        if name.contains("/initial/") || name.ends_with("/x") {
            // Decimals that PyTorch read as floats.
            values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
        }
        (name, (dims, values))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn seed() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(2)]);
    let y = b.target("y", F32, [Dim::symbol("batch"), Dim::from(1)]);
    let h = b.scope("h", || relu(linear(&x, 50, Linear::default())));
    let p = b.scope("p", || sigmoid(linear(&h, 1, Linear::default())));
    b.loss("loss", &binary_cross_entropy(p, y), None);
    b.finish().expect("no mistakes")
}

fn digits() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(64)]);
    let y = b.target("y", I32, [Dim::symbol("batch")]);
    let h = b.scope("h", || relu(linear(&x / 16.0, 32, Linear::default())));
    let logits = b.scope("logits", || linear(&h, 10, Linear::default()));
    b.loss("loss", &cross_entropy(logits, y), None);
    b.finish().expect("no mistakes")
}

/// Loss, updates and states of one step.
fn step(declaration: &Declaration, optimizer: &Optimizer) -> Graph {
    optimizer.check().expect("sensible options");
    let mut graph = declaration.graph.clone();
    let loss = declaration.losses[0].node;
    let parameters: Vec<NodeId> =
        (0..graph.storages.len()).map(|index| graph.add(Op::Storage(index), &[])).collect();
    let gradients = differentiate(&mut graph, loss, &parameters).expect("a gradient");
    graph.results.push((Purpose::Loss("loss".into()), loss));
    let trained: Vec<_> =
        (0..).zip(parameters).zip(gradients).map(|((index, node), g)| (index, node, g)).collect();
    optimizer.append(&mut graph, "", loss, &trained).expect("a rule without mistakes");
    graph
}

fn batch(data: &(Vec<usize>, Vec<f64>), step: usize, element: ElementType) -> Tensor {
    let width = data.1.len() / data.0[0];
    let start = step * 32 % 256;
    let mut dims = data.0.clone();
    dims[0] = 32;
    Tensor::from_f64(element, dims, &data.1[start * width..(start + 32) * width]).expect("a batch")
}

fn optimizer(lines: &Lines, path: &str) -> Optimizer {
    let get = |name: &str| lines.get(&format!("{path}/{name}")).map(|(_, values)| values.clone());
    let one = |name: &str, default: f64| get(name).map_or(default, |values| values[0]);
    let rate = one("lr", f64::NAN);
    let name = path.rsplit('/').next().expect("a name");
    if name.starts_with("sgd") {
        let plain = sgd(rate).momentum(one("momentum", 0.0)).dampening(one("dampening", 0.0));
        return plain.nesterov(one("nesterov", 0.0) != 0.0).weight_decay(one("weight_decay", 0.0)).into();
    }
    let betas = get("betas").unwrap_or_else(|| vec![0.9, 0.999]);
    let start = if name.starts_with("adamw") { adamw(rate) } else { adam(rate) };
    let decay = one("weight_decay", if name.starts_with("adamw") { 0.01 } else { 0.0 });
    start.betas(betas[0], betas[1]).eps(one("eps", 1e-8)).weight_decay(decay).into()
}

/// Trains 60 steps and compares every loss and the last parameters.
fn follow(network: &str, declaration: &Declaration, labels: ElementType, lines: &Lines, path: &str) {
    let optimizer = optimizer(lines, path);
    let graph = step(declaration, &optimizer);
    let mut storages: BTreeMap<String, Tensor> = BTreeMap::new();
    let sizes = |dims: &[Dim]| -> Vec<usize> {
        dims.iter().map(|d| d.as_constant().expect("known") as usize).collect()
    };
    for storage in &graph.storages {
        let dims = sizes(storage.ty.shape.dims());
        let initial = lines.get(&format!("{network}/initial/{}", storage.name));
        let values = initial.map_or_else(|| vec![0.0; dims.iter().product()], |(_, values)| values.clone());
        storages.insert(storage.name.to_string(), Tensor::from_f64(F64, dims, &values).expect("a tensor"));
    }
    for (turn, expected) in lines[&format!("{path}/loss")].1.iter().enumerate() {
        let mut environment = Environment::new()
            .input("x", batch(&lines[&format!("{network}/x")], turn, F64))
            .input("y", batch(&lines[&format!("{network}/y")], turn, labels))
            .input("learning_rate", Tensor::scalar(optimizer.learning_rate()));
        for (name, tensor) in &storages {
            environment = environment.storage(name, tensor.clone());
        }
        for (purpose, tensor) in interpret(&graph, &environment, Precision::F64).expect("a step") {
            match purpose {
                Purpose::Loss(_) => {
                    let loss = tensor.item().expect("a scalar");
                    assert!(
                        (loss - expected).abs() < 1e-7 * expected,
                        "{path} step {turn}: {loss}, not {expected}"
                    );
                }
                Purpose::Update(index) => {
                    drop(storages.insert(graph.storages[index].name.to_string(), tensor))
                }
                other => panic!("{other:?}"),
            }
        }
    }
    for (name, tensor) in &storages {
        let Some((_, expected)) = lines.get(&format!("{path}/final/{name}")) else { continue };
        for (a, b) in tensor.to_f64_vec().iter().zip(expected) {
            assert!((a - b).abs() < 2e-7, "{path} {name}: {a}, not {b}");
        }
    }
}

fn optimizers(lines: &Lines, network: &str) -> Vec<String> {
    let is_one = |name: &&String| name.starts_with(&format!("{network}/")) && name.ends_with("/lr");
    lines.keys().filter(is_one).map(|name| name.trim_end_matches("/lr").to_owned()).collect()
}

#[test]
fn seed_follows_pytorch() {
    let lines = golden();
    let declaration = seed();
    let all = optimizers(&lines, "seed");
    assert!(all.len() >= 8, "{all:?}");
    for path in all {
        follow("seed", &declaration, F64, &lines, &path);
    }
}

#[test]
fn digits_follows_pytorch() {
    let lines = golden();
    follow("digits", &digits(), I32, &lines, "digits/sgd_nesterov");
}

#[test]
fn states_are_named_after_parameters() {
    let declaration = seed();
    let names = |optimizer: Optimizer| -> Vec<String> {
        step(&declaration, &optimizer).storages[4..].iter().map(|storage| storage.name.to_string()).collect()
    };
    assert!(names(sgd(1.0).into()).is_empty());
    let momenta = ["h.weight.momentum", "h.bias.momentum", "p.weight.momentum", "p.bias.momentum"];
    assert_eq!(names(sgd(1.0).momentum(0.9).into()), momenta);
    assert_eq!(
        names(adam(1.0).into())[..3],
        ["optimizer.step", "h.weight.first_moment", "h.weight.second_moment"]
    );
}

#[test]
fn senseless_options_are_refused() {
    let refused = |optimizer: Optimizer| optimizer.check().unwrap_err().message;
    assert_eq!(refused(sgd(-1.0).into()), "a learning rate of -1");
    assert_eq!(refused(sgd(f64::NAN).into()), "a learning rate of NaN");
    assert_eq!(
        refused(sgd(1.0).nesterov(true).into()),
        "Nesterov's momentum without momentum, or with dampening"
    );
    assert_eq!(refused(adam(1.0).betas(0.9, 1.0).into()), "a second beta of 1");
    assert_eq!(refused(adamw(1.0).weight_decay(-0.1).into()), "a weight decay of -0.1");
}

#[test]
fn options_are_checked_as_the_f32_they_become() {
    let refused = |optimizer: Optimizer| optimizer.check().unwrap_err().message;
    assert_eq!(refused(sgd(1e39).into()), "a learning rate of 1e39, which is inf in f32");
    assert_eq!(refused(sgd(1e-50).into()), "a learning rate of 1e-50, which is 0 in f32");
    assert_eq!(refused(sgd(1.0).momentum(1e39).into()), "a momentum of 1e39, which is inf in f32");
    assert_eq!(refused(sgd(1.0).dampening(-1e39).into()), "a dampening of -1e39, which is -inf in f32");
    assert_eq!(refused(sgd(1.0).weight_decay(1e39).into()), "a weight decay of 1e39, which is inf in f32");
    assert_eq!(refused(adamw(1.0).weight_decay(1e39).into()), "a weight decay of 1e39, which is inf in f32");
    let near_one = 0.999_999_999_99;
    assert_eq!(
        refused(adam(1.0).betas(near_one, 0.9).into()),
        "a first beta of 0.99999999999, which is 1 in f32"
    );
    assert_eq!(
        refused(adam(1.0).betas(0.9, near_one).into()),
        "a second beta of 0.99999999999, which is 1 in f32"
    );
    for optimizer in [sgd(0.0).momentum(1.5), sgd(3e38), sgd(1e-45)] {
        assert!(Optimizer::from(optimizer).check().is_ok());
    }
}

#[test]
fn eps_keeps_a_gradient_of_zero_from_being_divided_by_zero() {
    let refused = |eps: f64| Optimizer::from(adam(1.0).eps(eps)).check().unwrap_err();
    assert_eq!(refused(0.0).message, "an eps of 0");
    assert!(refused(0.0).help.is_some_and(|help| help.contains("a gradient of 0 is divided by it")));
    assert_eq!(refused(1e-50).message, "an eps of 1e-50, which is 0 in f32");
    assert_eq!(refused(1e-40).message, "an eps of 1e-40");
    assert_eq!(refused(1e39).message, "an eps of 1e39, which is inf in f32");
    assert_eq!(refused(-1e-8).message, "an eps of -1e-8");
    assert!(Optimizer::from(adam(1.0).eps(1.2e-38)).check().is_ok());
}
