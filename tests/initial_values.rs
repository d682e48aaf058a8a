//! Parameters and states that start with the elements of a tensor.
#![deny(warnings)]

use downhill::prelude::*;

network! {
    Pretrained(table: Tensor, scales: Vec<f32>) {
        input  words: i32[batch];
        target y: [batch, 2];
        param  shift: [2] = values({ Tensor::from([0.5_f32, -0.5]) });
        param  scale: [2] = values({ Tensor::from(scales.clone()) });
        state  seen: i32[3] = values({ Tensor::from([7_i32, 8, 9]) });
        let e = embedding(words, 3, 2, init: values({ table }));
        let z = linear(e, 2, bias: false, init: { table.rows(0..2).expect("two rows") });
        output p = z * scale + shift, kept = sum(seen);
        loss squared_error(p, y);
    }
}

fn table() -> Tensor {
    Tensor::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]])
}

#[test]
fn they_start_with_what_is_given() {
    let net = Pretrained::new(table(), vec![2.0, 3.0]).build().expect("a model");
    let numbers = |name: &str| net.parameter(name).expect("a parameter").to_f64_vec();
    assert_eq!(numbers("shift"), [0.5, -0.5]);
    assert_eq!(numbers("scale"), [2.0, 3.0]);
    assert_eq!(numbers("e.weight"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(numbers("z.weight"), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(net.state_of("seen").expect("a state"), Tensor::from([7_i32, 8, 9]));
}

#[test]
fn what_does_not_fit_is_told() {
    let refused = |table: Tensor, scales: Vec<f32>| {
        Pretrained::new(table, scales).build().expect_err("a mistake").to_string()
    };
    let error = refused(Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]), vec![1.0, 1.0]);
    assert!(
        error.contains("`e.weight` has shape [3, 2] but would start with values of shape [2, 2]"),
        "{error}"
    );
    let error = refused(table(), vec![1.0, f32::NAN]);
    assert!(error.contains("`scale` would start with a value of NaN"), "{error}");
}
