//! Running products and extremes along axes whose size only a run tells, and remainders of floats: in machine code.

use downhill::prelude::*;

network! {
    Running() {
        input  x: [batch, time];
        output products = cumprod(x, axis: 0), greatest = cummax(x), least = cummin(x, axis: 0);
        output rest = remainder(7 * x, 0.75), cut = fmod(7 * x, 0.75);
        output whole = floor_divide(7 * x, -0.75), short = trunc_divide(7 * x, 0.75);
        param  w: [1] = ones();
        loss   sum(square(cumprod(x * w, axis: 0))) + sum(square(cummax(x * w)));
    }
}

const ROWS: usize = 4;
const COLUMNS: usize = 9;

fn numbers() -> Vec<f32> {
    (0..ROWS * COLUMNS).map(|n| ((n * 37 % 41) as f32 - 20.0) / 16.0).collect()
}

/// What `step` makes of each element and of what it made of the one before, along the first axis or along the last.
fn along(first_axis: bool, step: fn(f32, f32) -> f32) -> Vec<f32> {
    let mut made = numbers();
    for at in 0..made.len() {
        let before = if first_axis { at.checked_sub(COLUMNS) } else { (at % COLUMNS > 0).then(|| at - 1) };
        if let Some(before) = before {
            made[at] = step(made[before], made[at]);
        }
    }
    made
}

#[test]
fn each_is_what_it_says() {
    let net = Running::new().build().expect("a model");
    let x = Tensor::new([ROWS, COLUMNS], numbers()).expect("a tensor");
    let given = net.forward_all(&x).expect("values");
    let found = |name: &str| given.get(name).expect("an output").as_f32().expect("floats").to_vec();
    assert_eq!(found("products"), along(true, |a, b| a * b));
    assert_eq!(found("greatest"), along(false, f32::max));
    assert_eq!(found("least"), along(true, f32::min));
    // Of sixteenths all of these are exact.
    let of =
        |function: fn(f32) -> f32| numbers().into_iter().map(|x| function(7.0 * x)).collect::<Vec<f32>>();
    assert_eq!(found("rest"), of(|x| x.rem_euclid(0.75)));
    assert_eq!(found("cut"), of(|x| x % 0.75));
    assert_eq!(found("whole"), of(|x| (x / -0.75).floor()));
    assert_eq!(found("short"), of(|x| (x / 0.75).trunc()));
}

/// By w, of which all elements are multiples, each square of a product of n rows has 2·n times itself as its slope.
#[test]
fn gradients_go_through_the_loop() {
    let net = Running::new().build().expect("a model");
    let x = Tensor::new([ROWS, COLUMNS], numbers()).expect("a tensor");
    let slopes = net.gradients(&x, ()).expect("gradients");
    let products = along(true, |a, b| a * b).into_iter().enumerate();
    let products: f32 = products.map(|(at, p)| 2.0 * (at / COLUMNS + 1) as f32 * p * p).sum();
    let greatest: f32 = along(false, f32::max).into_iter().map(|m| 2.0 * m * m).sum();
    let found = slopes.get("w").expect("one").as_f32().expect("floats")[0];
    assert!((found - products - greatest).abs() < 1e-4 * (products + greatest), "{found}");
}
