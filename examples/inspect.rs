//! Looking inside: the training step of the 2-50-1 network as formulas, as text and as a picture.
//!
//! ```sh
//! cargo run --example inspect                # the picture goes to target/inspect.dot
//! cargo run --example inspect step.dot       # or where you like
//! dot -Tsvg target/inspect.dot -o step.svg   # Graphviz draws it
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
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let net = Lecture::new(50).optimizer(sgd(1.0)).build()?;
    let step = net.graph("step")?;

    let gradients = net.program().gradient_graph("loss", &[])?;
    println!("What the chain rule gives:\n\n{}", gradients.to_formulas());
    println!("One training step as formulas:\n\n{}", step.to_formulas());
    println!("The same, an operation a line:\n\n{}", step.to_text());
    println!("{}\n", net.report());

    let path = std::env::args().nth(1).unwrap_or_else(|| "target/inspect.dot".into());
    if let Some(folder) = std::path::Path::new(&path).parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, step.to_dot())?;
    println!("The picture is in {path}; `dot -Tsvg {path} -o step.svg` draws it.");
    Ok(())
}
