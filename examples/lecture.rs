//! The lecture's network beside a lone neuron, on two classes that no line separates: opposite quadrants.
//!
//! 2 inputs, 50 ReLU neurons, one sigmoid; SGD with learning rate 1, one example a step.
//!
//! ```sh
//! cargo run --release --example lecture
//! ```
//!
//! The same in PyTorch, where `x` and `y` are tensors of shapes [n, 2] and [n, 1]:
//!
//! ```python
//! net = nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, 1), nn.Sigmoid())
//! optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
//! for epoch in range(100):
//!     for row in torch.randperm(len(x)):
//!         p = net(x[row])
//!         loss = F.binary_cross_entropy(p, y[row])
//!         optimizer.zero_grad()
//!         loss.backward()
//!         optimizer.step()
//! ```

use downhill::prelude::*;

network! {
    /// The lecture's network.
    Lecture(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        output p = sigmoid(linear(h, 1));
        loss   binary_cross_entropy(p, y);
    }

    /// One neuron: all it can draw is a line.
    Neuron() {
        input  x: [batch, 2];
        target y: [batch, 1];
        output p = sigmoid(linear(x, 1));
        loss   binary_cross_entropy(p, y);
    }
}

fn main() -> Result<(), downhill::Error> {
    let (training, validation) = split(&quadrants(1000)?, 0.2, 1)?;

    let mut net = Lecture::new(50).seed(7).optimizer(sgd(1.0)).build()?;
    let mut neuron = Neuron::new().seed(7).optimizer(sgd(1.0)).build()?;
    for seed in 0..100 {
        net.epoch(&training, Epoch { batch: 1, seed })?;
        neuron.epoch(&training, Epoch { batch: 1, seed })?;
    }

    for (name, net) in [("a lone neuron", &mut neuron), ("2-50-1", &mut net)] {
        let p = net.forward(validation.column("x")?)?;
        let share = binary_accuracy(&p, validation.column("y")?)?;
        println!("{name}: {:.1} % of points it has never seen\n{}", 100.0 * share, picture(net)?);
    }
    println!("{} steps each; # is where the network says class 1", net.steps_made());
    Ok(())
}

/// Points spread evenly over the square from −1 to 1 but for a cross in the middle; the class says whether their coordinates have
/// the same sign.
fn quadrants(points: usize) -> Result<Dataset, downhill::Error> {
    let along = |i: usize, step: f64| {
        let place = 2.0 * (i as f64 * step).fract() - 1.0;
        (0.8 * place + 0.2 * place.signum()) as f32
    };
    // Martin Roberts' R₂ sequence: powers of the root of x³ = x + 1.
    let x: Vec<[f32; 2]> = (1..=points).map(|i| [along(i, 0.754877666), along(i, 0.569840291)]).collect();
    let y: Vec<[f32; 1]> = x.iter().map(|[a, b]| [if a * b > 0.0 { 1.0 } else { 0.0 }]).collect();
    Dataset::new([("x", Tensor::from(x)), ("y", Tensor::from(y))])
}

/// What the network says on the square from −1 to 1.
fn picture(net: &mut Model) -> Result<String, downhill::Error> {
    const WIDTH: usize = 48;
    const HEIGHT: usize = 24;
    let place = |i: usize, count: usize| 2.0 * (i as f32 + 0.5) / count as f32 - 1.0;
    let grid =
        (0..HEIGHT).flat_map(|row| (0..WIDTH).map(move |column| [place(column, WIDTH), -place(row, HEIGHT)]));
    let p = net.forward(&grid.collect::<Vec<[f32; 2]>>())?;
    let marks: Vec<char> = p.as_f32()?.iter().map(|&p| if p > 0.5 { '#' } else { '·' }).collect();
    Ok(marks.chunks(WIDTH).map(|row| row.iter().collect::<String>() + "\n").collect())
}
