//! Where the time of a training step goes: 784-512-512-10 on a batch of 128, function by function.
//!
//! ```sh
//! cargo run --release --example profile
//! ```

use downhill::prelude::*;

network! {
    /// Two hidden layers and ten classes.
    Digits(hidden: usize) {
        input  x: [batch, 784];
        target t: i32[batch];
        let h = relu(linear(x, hidden));
        let g = relu(linear(h, hidden));
        output logits = linear(g, 10);
        loss cross_entropy(logits, t);
    }
}

fn main() -> Result<(), downhill::Error> {
    const BATCH: usize = 128;
    let x: Vec<f32> = (0..BATCH * 784).map(|i| (i * 7919 % 1013) as f32 / 1013.0).collect();
    let x = Tensor::new([BATCH, 784], x)?;
    let t: Vec<i32> = (0..BATCH as i32).map(|i| i % 10).collect();

    let mut net = Digits::new(512).seed(7).optimizer(sgd(0.1)).batch_sizes([BATCH]).build()?;
    let profile = net.profile(&x, &t)?;
    println!("{profile}");

    let slowest = profile.rows.iter().max_by(|a, b| a.measured.total_cmp(&b.measured));
    if let Some(row) = slowest {
        let share = 100.0 * row.share_of_peak(&profile.machine);
        println!("The slowest makes {} at {share:.0} % of what the machine can do.", row.kernels.join(", "));
    }
    Ok(())
}
