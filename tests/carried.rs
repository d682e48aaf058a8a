//! The state of a recurrence kept from call to call: parts of a sequence one after another are the whole sequence.

use downhill::prelude::*;

network! {
    Stream(units: usize) {
        input  x: [2, time, 3];
        target y: [2, time, 2];
        state h: [2, units] = zeros();
        state c: [2, units] = zeros();
        let (steps, last_h, last_c) = lstm(x, units, h: h, c: c);
        update h = last_h;
        update c = last_c;
        output z = linear(steps, 2);
        output last_h, last_c;
        loss squared_error(z, y);
    }
}

const UNITS: usize = 5;

fn part(axis: usize, steps: std::ops::Range<usize>) -> Tensor {
    let numbers = (0..2).flat_map(|row| {
        let of_row =
            steps.clone().flat_map(move |step| (0..axis).map(move |n| (row * 100 + step * axis + n) as f32));
        of_row.map(|number| (number * 0.37).sin())
    });
    Tensor::new([2, steps.len(), axis], numbers.collect::<Vec<f32>>()).expect("a tensor")
}

/// Begins a sequence anew.
fn reset(net: &mut Model) {
    for name in ["h", "c"] {
        net.set_state(name, &[[0.0; UNITS]; 2]).expect("a state");
    }
}

fn assert_near(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{what}: {a:?} and {b:?}");
}

#[test]
fn parts_forward_are_the_whole() {
    let mut net = Stream::new(UNITS).seed(2).build().expect("a model");
    let whole = net.forward_all(&part(3, 0..9)).expect("outputs");
    let (mut rows, mut from) = ([Vec::new(), Vec::new()], 0);
    for until in [4, 5, 9] {
        let [z, h, c] = net.forward_all(&part(3, from..until)).expect("outputs").into_array().expect("three");
        for (name, last) in [("h", &h), ("c", &c)] {
            net.set_state(name, last).expect("a state");
        }
        let z = z.as_f32().expect("floats");
        rows.iter_mut().zip(z.chunks(z.len() / 2)).for_each(|(row, part)| row.extend_from_slice(part));
        from = until;
    }
    assert_near("the outputs", &rows.concat(), whole.get("z").expect("an output").as_f32().expect("floats"));
}

#[test]
fn steps_on_parts_go_on_where_the_last_one_ended() {
    // So small a rate that parameters stay what they are.
    let mut net = Stream::new(UNITS).seed(2).optimizer(sgd(1e-30)).build().expect("a model");
    let whole = net.forward_all(&part(3, 0..9)).expect("outputs");
    for sequence in 0..2 {
        let losses: Vec<f32> = [0..4, 4..9]
            .into_iter()
            .map(|steps| net.step(&part(3, steps.clone()), &part(2, steps)).expect("a step"))
            .collect();
        let all = (losses[0] * 4.0 + losses[1] * 5.0) / 9.0;
        let z = whole.get("z").expect("an output").as_f32().expect("floats");
        let y = part(2, 0..9);
        let squares = z.iter().zip(y.as_f32().expect("floats")).map(|(z, y)| (z - y).powi(2));
        assert!((all - squares.sum::<f32>() / 36.0).abs() < 1e-6, "sequence {sequence}");
        for (state, last) in [("h", "last_h"), ("c", "last_c")] {
            let (kept, last) = (net.state_of(state).expect("a state"), whole.get(last).expect("an output"));
            assert_near(state, kept.as_f32().expect("floats"), last.as_f32().expect("floats"));
        }
        reset(&mut net);
    }
}

/// The gradient ends where the part begins: it is that of the part from the state as a constant.
#[test]
fn gradients_end_with_the_part() {
    let mut net = Stream::new(UNITS).seed(2).build().expect("a model");
    let [_, h, c] = net.forward_all(&part(3, 0..4)).expect("outputs").into_array().expect("three");
    for (name, last) in [("h", &h), ("c", &c)] {
        net.set_state(name, last).expect("a state");
    }
    let (x, y) = (part(3, 4..9), part(2, 4..9));
    let name = net.parameters().map(|(name, _)| name.to_owned()).find(|name| name.ends_with("weight_hh_l0"));
    let name = name.expect("the weight of the state");
    let slopes = net.gradients_of(None, &[&name], &x, &y).expect("gradients");
    let slope = slopes.get(&name).expect("one").as_f32().expect("floats")[3];
    let weights = net.parameter(&name).expect("a parameter");
    let mut loss = |by: f32| {
        let mut moved = weights.as_f32().expect("floats").to_vec();
        moved[3] += by;
        net.set_parameter(&name, &Tensor::new(weights.shape(), moved).expect("a tensor"))
            .expect("a parameter");
        net.gradients(&x, &y).expect("gradients").loss().expect("a loss")
    };
    let by_differences = (loss(1e-2) - loss(-1e-2)) / 2e-2;
    assert!((slope - by_differences).abs() < 1e-4, "{slope} and {by_differences}");
}
