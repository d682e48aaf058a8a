//! Where the time of a training step goes, function by function: of 784-512-512-10 on a batch of 128, or of a residual network on 32 pictures.
//!
//! ```sh
//! cargo run --release --example profile
//! cargo run --release --example profile -- pictures
//! ```

use downhill::prelude::*;
use downhill::profile::Profile;

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

network! {
    layer block(x: [batch, c, h, w], channels, stride) -> [batch, channels, _, _] {
        let y = relu(batch_norm(conv(x, channels, kernel: 3, stride: stride, padding: 1, bias: false)));
        y = batch_norm(conv(y, channels, kernel: 3, padding: 1, bias: false));
        let skip = if stride == 1 { x } else { batch_norm(conv(x, channels, kernel: 1, stride: stride, bias: false)) };
        relu(y + skip)
    }

    /// ResNet-20 for pictures of 32 × 32.
    ResNet(widths: Vec<usize>) {
        input  image: [batch, 3, 32, 32];
        target label: i32[batch];
        let h = relu(batch_norm(conv(image, 16, kernel: 3, padding: 1, bias: false)));
        for width in widths {
            for turn in 0..3 { h = block(h, width, stride: if turn == 0 && width > 16 { 2 } else { 1 }); }
        }
        output logits = linear(global_average_pool(h), 10);
        loss cross_entropy(logits, label);
    }
}

fn main() -> Result<(), downhill::Error> {
    let profile =
        if std::env::args().any(|argument| argument == "pictures") { pictures()? } else { digits()? };
    println!("{profile}");

    let slowest = profile.rows.iter().max_by(|a, b| a.measured.total_cmp(&b.measured));
    if let Some(row) = slowest {
        let share = 100.0 * row.share_of_peak(&profile.machine);
        println!("The slowest makes {} at {share:.0} % of what the machine can do.", row.kernels.join(", "));
    }
    Ok(())
}

fn digits() -> Result<Profile, downhill::Error> {
    const BATCH: usize = 128;
    let mut net = Digits::new(512).seed(7).optimizer(sgd(0.1)).batch_sizes([BATCH]).build()?;
    net.profile(&numbers(&[BATCH, 784])?, &classes(BATCH))
}

fn pictures() -> Result<Profile, downhill::Error> {
    const BATCH: usize = 32;
    let mut net = ResNet::new(vec![16, 32, 64]).seed(7).optimizer(sgd(0.1)).batch_sizes([BATCH]).build()?;
    net.profile(&numbers(&[BATCH, 3, 32, 32])?, &classes(BATCH))
}

fn numbers(shape: &[usize]) -> Result<Tensor, downhill::Error> {
    let values = (0..shape.iter().product()).map(|i: usize| (i * 7919 % 1013) as f32 / 1013.0);
    Ok(Tensor::new(shape, values.collect::<Vec<f32>>())?)
}

fn classes(count: usize) -> Vec<i32> {
    (0..count as i32).map(|i| i % 10).collect()
}
