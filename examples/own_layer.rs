//! A layer of your own: parameters and a forward formula are written down, the backward pass comes by itself.
//!
//! `affine` is a layer with two parameters; `swish` is an ordinary Rust function over values. Nobody wrote a derivative of either;
//! here those that downhill derives stand beside differences of the loss.
//!
//! ```sh
//! cargo run --release --example own_layer
//! ```

use downhill::composite::sigmoid;
use downhill::prelude::*;

network! {
    /// x·A + b.
    layer affine(x: [batch, n], units) -> [batch, units] {
        param a: [n, units] = normal(0.0, 0.5);
        param b: [units]    = zeros();
        x @ a + b
    }

    Own(width: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];

        let h = self::swish(affine(x, width));

        output p = affine(h, 1);
        loss   squared_error(p, y);
    }
}

/// x·σ(x), by Ramachandran, Zoph and Le: Searching for Activation Functions, 2017.
fn swish(x: &Value) -> Value {
    x * sigmoid(x)
}

/// Half the distance between the two parameters whose losses make a difference.
const STEP: f32 = 0.01;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Own::new(2).seed(3).build()?;
    let x = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.8, 0.1]];
    let y = [[1.0], [-1.0], [0.5]];

    let gradients = net.gradients(&x, &y)?;
    let mut greatest = 0.0_f32;
    println!("{:8} {:>10} {:>15}", "", "derived", "by difference");
    for (name, gradient) in gradients.iter() {
        let start = net.parameter(name)?;
        for (i, &derived) in gradient.as_f32()?.iter().enumerate() {
            let mut loss_at = |shift: f32| -> Result<f32, Box<dyn std::error::Error>> {
                let mut shifted = start.as_f32()?.to_vec();
                shifted[i] += shift;
                net.set_parameter(name, &shifted)?;
                Ok(squared_error(&net.forward(&x)?, &y)?)
            };
            let difference = (loss_at(STEP)? - loss_at(-STEP)?) / (2.0 * STEP);
            println!("{:8} {derived:10.5} {difference:15.5}", format!("{name}[{i}]"));
            greatest = greatest.max((derived - difference).abs());
        }
        net.set_parameter(name, &start)?;
    }
    println!("they differ by {greatest:.1e} at most");
    if greatest < 1e-3 { Ok(()) } else { Err("the derived gradient is wrong".into()) }
}

/// The loss, by hand.
fn squared_error(p: &Tensor, y: &[[f32; 1]]) -> Result<f32, downhill::Error> {
    let squares = p.as_f32()?.iter().zip(y.as_flattened()).map(|(p, y)| (p - y).powi(2));
    Ok(squares.sum::<f32>() / y.len() as f32)
}
