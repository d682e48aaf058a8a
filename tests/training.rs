//! Training through the face: steps, epochs, programs shared by models, a network far into saturation.
//!
//! What is computed is tested against the interpreter and PyTorch elsewhere; here, that the ways to compute it agree.

use downhill::Specialize;
use downhill::prelude::*;

network! {
    /// The lecture's network.
    pub Lecture(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        let p = sigmoid(linear(h, 1));
        output p;
        loss binary_cross_entropy(p, y);
    }
}

network! {
    /// Classes by index.
    pub Classes(width: usize, classes: usize) {
        input  x: [batch, 4];
        target label: i32[batch];
        let h = tanh(linear(x, width));
        output logits = linear(h, classes);
        loss cross_entropy(logits, label);
    }
}

/// Points of a square; the class tells whether their coordinates have one sign.
fn signs(rows: usize) -> Dataset {
    let coordinate = |i: usize, step: usize| (i * step % 97) as f32 / 48.0 - 1.0;
    let x: Vec<[f32; 2]> = (0..rows).map(|i| [coordinate(i, 31), coordinate(i, 57)]).collect();
    let y: Vec<[f32; 1]> = x.iter().map(|[a, b]| [f32::from(u8::from(a * b > 0.0))]).collect();
    Dataset::new([("x", Tensor::from(x)), ("y", Tensor::from(y))]).expect("data")
}

fn lecture(seed: u64) -> Model {
    Lecture::new(50).seed(seed).optimizer(sgd(1.0)).build().expect("a network")
}

fn bits(net: &Model) -> Vec<u32> {
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    let tensors = names.iter().map(|name| net.parameter(name).expect("a parameter"));
    tensors.flat_map(|tensor| tensor.as_f32().expect("f32").to_vec()).map(f32::to_bits).collect()
}

#[test]
fn a_network_learns() {
    let (mut net, data) = (lecture(7), signs(256));
    let first = net.epoch(&data, Epoch { batch: 16, seed: 0 }).expect("an epoch").mean();
    let mut last = first;
    for seed in 1..60 {
        last = net.epoch(&data, Epoch { batch: 16, seed }).expect("an epoch").mean();
    }
    assert!(last < 0.5 * first, "{first} → {last}");
    let p = net.forward(data.column("x").expect("x")).expect("probabilities");
    assert!(binary_accuracy(&p, data.column("y").expect("y")).expect("a share") > 0.9);
    assert_eq!(net.steps_made(), 60 * 16);
}

#[test]
fn an_epoch_is_its_steps_bit_for_bit() {
    for batch in [1, 7, 16, 100] {
        for sizes in [vec![], vec![1, 7, 16]] {
            let data = signs(100);
            let network = || Lecture::new(13).seed(3).optimizer(adamw(0.01)).batch_sizes(sizes.clone());
            let (mut whole, mut single) = (network().build().expect("one"), network().build().expect("two"));
            let order: Vec<u32> = (0..100).map(|i| i * 37 % 100).collect();
            let options = EpochOptions { rows: Some(&order), ..EpochOptions::default() };
            let report = whole.epoch_with(&data, Epoch { batch, seed: 0 }, options).expect("an epoch");
            let losses: Vec<f32> = order
                .chunks(batch)
                .map(|rows| {
                    let rows = data.select(rows).expect("rows");
                    let columns = (rows.column("x").expect("x"), rows.column("y").expect("y"));
                    single.step(columns.0, columns.1).expect("a step")
                })
                .collect();
            assert_eq!(report.losses.len(), 100_usize.div_ceil(batch));
            assert!(
                report.losses.iter().zip(&losses).all(|(a, b)| a.to_bits() == b.to_bits()),
                "batch {batch}"
            );
            assert_eq!(bits(&whole), bits(&single), "batch {batch}");
        }
    }
}

#[test]
fn variants_have_the_same_bits() {
    let data = signs(96);
    let train = |sizes: &[usize], specialize: Specialize| {
        let build = Lecture::new(50).seed(1).optimizer(sgd(0.5).momentum(0.9)).batch_sizes(sizes.to_vec());
        let mut net = build.specialize(specialize).build().expect("a network");
        net.epoch(&data, Epoch { batch: 32, seed: 5 }).expect("an epoch");
        (bits(&net), net.forward(data.column("x").expect("x")).expect("probabilities"))
    };
    let generic = train(&[], Specialize::Never);
    assert_eq!(generic, train(&[32, 96], Specialize::Named));
    assert_eq!(generic, train(&[], Specialize::Automatic));
}

#[test]
fn the_same_seed_is_the_same_network_and_the_same_order() {
    let data = signs(64);
    let train = |seed: u64, order: u64| {
        let mut net = lecture(seed);
        net.epoch(&data, Epoch { batch: 8, seed: order }).expect("an epoch");
        bits(&net)
    };
    assert_eq!(train(1, 2), train(1, 2));
    assert_ne!(train(1, 2), train(1, 3));
    assert_ne!(train(1, 2), train(2, 2));
}

#[test]
fn two_models_train_side_by_side_on_one_program() {
    let data = signs(128);
    let train = |mut net: Model| {
        let reports =
            (0..20).map(|seed| net.epoch(&data, Epoch { batch: 16, seed }).expect("an epoch").losses);
        (reports.collect::<Vec<_>>(), bits(&net))
    };
    let program = Lecture::new(50).optimizer(sgd(1.0)).program().expect("a program");
    let alone: Vec<_> = (0..2).map(|seed| train(program.model(seed).expect("a model"))).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|seed| {
                let (net, train) = (program.model(seed).expect("a model"), &train);
                scope.spawn(move || train(net))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    assert_eq!(alone, together);
    assert_ne!(alone[0], alone[1]);
}

#[test]
fn a_program_is_shared_and_a_model_sent() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Program>();
    sent::<Model>();
}

#[test]
fn a_model_outlives_what_it_was_made_from() {
    let program = Lecture::new(4).optimizer(sgd(0.1)).program().expect("a program");
    let mut net = program.model(0).expect("a model");
    drop(program);
    assert!(net.step(&[0.1, 0.2], &[1.0]).expect("a step").is_finite());
}

#[test]
fn a_schedule_changes_the_learning_rate_without_compiling() {
    let data = signs(32);
    let order: Vec<u32> = (0..32).collect();
    let (mut scheduled, mut set) = (lecture(1), lecture(1));
    let rates: Vec<f32> = (0..4).map(|step| 0.5 / (step + 1) as f32).collect();
    let options =
        EpochOptions { rows: Some(&order), learning_rates: Some(&rates), ..EpochOptions::default() };
    scheduled.epoch_with(&data, Epoch { batch: 8, seed: 0 }, options).expect("an epoch");
    for (rows, rate) in order.chunks(8).zip(rates) {
        set.set_learning_rate(rate).expect("a rate");
        let rows = data.select(rows).expect("rows");
        set.step(rows.column("x").expect("x"), rows.column("y").expect("y")).expect("a step");
    }
    assert_eq!(bits(&scheduled), bits(&set));
    set.set_learning_rate(0.0).expect("a rate");
    let before = bits(&set);
    set.step(&[0.3, 0.4], &[1.0]).expect("a step");
    assert_eq!(before, bits(&set));
}

#[test]
fn a_step_goes_down_the_gradient() {
    let mut net = Classes::new(5, 3).seed(2).optimizer(sgd(0.25)).build().expect("a network");
    let (x, label) = ([[0.1, -0.2, 0.3, 0.4], [1.0, 0.5, -0.5, 0.0]], [2, 0]);
    let gradients = net.gradients(&x, &label).expect("gradients");
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["h.weight", "h.bias", "logits.weight", "logits.bias"]);
    let before: Vec<Tensor> = names.iter().map(|name| net.parameter(name).expect("a parameter")).collect();
    let loss = net.step(&x, &label).expect("a step");
    assert_eq!(gradients.loss(), Some(loss));
    for (name, before) in names.iter().zip(before) {
        let (after, gradient) =
            (net.parameter(name).expect("a parameter"), gradients.get(name).expect("a gradient"));
        let pairs = before.as_f32().expect("f32").iter().zip(after.as_f32().expect("f32"));
        for ((before, after), gradient) in pairs.zip(gradient.as_f32().expect("f32")) {
            assert!((before - 0.25 * gradient - after).abs() < 1e-6, "{name}");
        }
    }
    assert!(gradients.iter().any(|(_, tensor)| tensor.as_f32().expect("f32").iter().any(|g| *g != 0.0)));
}

#[test]
fn gradients_by_inputs() {
    let net = lecture(4);
    let gradients = net.gradients_of(None, &["x"], &[[0.5, -0.5]], &[[1.0]]).expect("gradients");
    assert_eq!(gradients.get("x").expect("x").shape(), [1, 2]);
    assert!(gradients.get("h.weight").is_err());
}

#[test]
fn parameters_are_read_and_written() {
    let mut net = lecture(0);
    assert_eq!(net.parameters().next().expect("one"), ("h.weight", vec![2, 50]));
    net.set_parameter("p.bias", &[2.0]).expect("set");
    assert_eq!(net.parameter("p.bias").expect("a parameter"), Tensor::from([2.0_f32]));
    let zeros = Tensor::full([50, 1], 0.0_f32).expect("zeros");
    net.set_parameter("p.weight", &zeros).expect("set");
    let p = net.forward(&[0.3, 0.4]).expect("a probability").item().expect("one");
    assert!((p - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-6);
}

#[test]
fn states_are_read_and_written() {
    let network = || Lecture::new(3).seed(1).optimizer(adam(0.01)).build().expect("a network");
    let (mut trained, mut copy) = (network(), network());
    trained.step(&[0.3, 0.4], &[1.0]).expect("a step");
    let states: Vec<String> = trained.states().map(|(name, _)| name.to_owned()).collect();
    assert!(!states.is_empty());
    for name in &states {
        copy.set_state(name, &trained.state_of(name).expect("a state")).expect("set");
    }
    let names: Vec<String> = trained.parameters().map(|(name, _)| name.to_owned()).collect();
    for name in &names {
        copy.set_parameter(name, &trained.parameter(name).expect("a parameter")).expect("set");
    }
    for net in [&mut trained, &mut copy] {
        net.step(&[-0.3, 0.4], &[0.0]).expect("a step");
    }
    assert_eq!(bits(&trained), bits(&copy));
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let net = lecture(0);
    let nothing = Tensor::new([0, 2], Vec::<f32>::new()).expect("nothing");
    assert_eq!(net.forward(&nothing).expect("nothing").shape(), [0, 1]);
}

#[test]
fn an_output_is_written_in_place() {
    let net = lecture(9);
    let x = [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]];
    let mut p = [[0.0_f32]; 3];
    net.forward_into(&x, &mut p).expect("probabilities");
    assert_eq!(Tensor::from(p), net.forward(&x).expect("probabilities"));
}

/// Far into saturation log(p) of a rounded p would be −∞ and its gradient NaN; the logits form stays finite.
#[test]
fn two_hundred_thousand_steps_stay_finite() {
    let (mut net, data) = (lecture(7), signs(100));
    let separable: Vec<[f32; 1]> = data
        .column("x")
        .expect("x")
        .as_f32()
        .expect("f32")
        .chunks(2)
        .map(|x| [f32::from(u8::from(x[0] > 0.0))])
        .collect();
    let x = data.column("x").expect("x").clone();
    let data = Dataset::new([("x", x), ("y", Tensor::from(separable))]).expect("data");
    let mut report = EpochReport::default();
    for seed in 0..2000 {
        net.epoch_into(&data, Epoch { batch: 1, seed }, EpochOptions::default(), &mut report)
            .expect("finite");
        assert!(report.losses.iter().all(|loss| loss.is_finite()));
    }
    assert_eq!(net.steps_made(), 200_000);
    assert!(report.mean() < 1e-3, "{}", report.mean());
    assert!(bits(&net).into_iter().all(|bits| f32::from_bits(bits).is_finite()));
}

network! {
    /// Every loss that takes logits, of inputs that are the logits.
    Extreme() {
        input  z: [batch, 2];
        target y: [batch, 2];
        target label: i32[batch];
        param  shift: [2] = zeros();
        let logits = z + shift;
        output p = softmax(logits);
        loss   two_sided = bce_with_logits(logits, y);
        loss   squashed = binary_cross_entropy(sigmoid(logits), y);
        loss   classes = cross_entropy(logits, label);
    }
}

/// Compiled: the right side costs nothing, the wrong side its distance, and gradients end as p − y.
#[test]
fn logits_of_ten_thousand_give_finite_losses_and_gradients() {
    let net = Extreme::new().build().expect("a network");
    let z = Tensor::from([[1e4_f32, -1e4], [-1e4, 1e4]]);
    let (wrong, right) = ([[0.0_f32, 1.0], [1.0, 0.0]], [[1.0_f32, 0.0], [0.0, 1.0]]);
    for (y, labels, element, class) in [(right, [0, 1], 0.0, 0.0), (wrong, [1, 0], 1e4, 2e4)] {
        let (y, labels) = (Tensor::from(y), Tensor::from(labels));
        for (loss, expected) in [("two_sided", element), ("squashed", element), ("classes", class)] {
            let given = net.gradients_of(Some(loss), &["z"], &z, (&y, &labels)).expect("gradients");
            assert_eq!(given.loss(), Some(expected), "{loss}");
            let gradient = given.get("z").expect("by z").as_f32().expect("f32");
            let size = if loss == "classes" { 0.5 } else { 0.25 };
            let wanted = if expected == 0.0 { [0.0; 4] } else { [size, -size, -size, size] };
            assert_eq!(gradient, wanted, "{loss}");
        }
    }
}

network! {
    /// A line through the targets that are known: the others are NaN.
    pub Known() {
        input  x: [batch, 2];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss sum(select(y == y, square(p - y), 0.0));
    }
}

#[test]
fn targets_that_are_not_known_change_nothing() {
    let built = || Known::new().seed(7).optimizer(sgd(0.01)).build().expect("a network");
    let (mut some, mut all) = (built(), built());
    let x = [[0.5_f32, 1.0], [2.0, -1.0], [3.0, 4.0]];
    for _ in 0..20 {
        let with_unknown = some.step(&x, &[[1.0_f32], [f32::NAN], [2.0]]).expect("a finite loss");
        let known = all.step(&[x[0], x[2]], &[[1.0_f32], [2.0]]).expect("a finite loss");
        assert!((with_unknown - known).abs() <= 1e-6, "{with_unknown}, not {known}");
    }
    let weight = some.parameter("p.weight").expect("a parameter").to_f64_vec();
    let expected = all.parameter("p.weight").expect("a parameter").to_f64_vec();
    assert!(weight.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{weight:?}, not {expected:?}");
}

#[test]
fn an_output_is_written_to_a_tensor() {
    let net = Dropped::new().seed(3).build().expect("a network");
    let x = Tensor::from([[1.0_f32, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    let mut p = Tensor::full([2, 1], 0.0_f32).expect("a tensor");
    net.forward_into(&x, &mut p).expect("outputs");
    assert_eq!(p, net.forward(&x).expect("outputs"));
    let mut slope = Tensor::full([4, 1], 0.0_f32).expect("a tensor");
    net.gradients_into(None, ["p.weight"], &x, &[1.0, 0.0], [&mut slope]).expect("gradients");
    let gradients = net.gradients(&x, &[1.0, 0.0]).expect("gradients");
    assert_eq!(&slope, gradients.get("p.weight").expect("a gradient"));
}

network! {
    /// Half of what it is given is left out while it learns.
    pub Dropped() {
        input  x: [batch, 4];
        target y: [batch, 1];
        output p = linear(dropout(x, 0.5), 1);
        loss   squared_error(p, y);
    }
}

/// Between two training steps gradients repeat one mask, that of the step to come, unless another step's is asked for.
#[test]
fn gradients_draw_the_masks_of_the_step_that_is_said() {
    let build = || Dropped::new().seed(3).optimizer(sgd(0.1)).build().expect("a network");
    let (mut net, x, y) = (build(), [[1.0; 4]; 64], [[1.0]; 64]);
    let slope = |net: &mut Model| {
        let gradients = net.gradients(&x, &y).expect("gradients");
        gradients.get("p.weight").expect("a gradient").clone()
    };
    let first = slope(&mut net);
    assert_eq!(first, slope(&mut net));
    let drawn: Vec<Tensor> = (0..4)
        .map(|step| {
            net.set_random_step(Some(step));
            slope(&mut net)
        })
        .collect();
    assert_eq!(drawn[0], first);
    assert!((0..4).all(|n| (0..n).all(|m| drawn[n] != drawn[m])), "{drawn:?}");

    // Training draws its own, whatever was said.
    let mut other = build();
    net.set_random_step(Some(7));
    for _ in 0..3 {
        assert_eq!(net.step(&x, &y).expect("a step"), other.step(&x, &y).expect("a step"));
    }
    let last = slope(&mut net);
    assert_ne!(last, slope(&mut other));
    net.set_random_step(None);
    assert_eq!(slope(&mut net), slope(&mut other));
}
