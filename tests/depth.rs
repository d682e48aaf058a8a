//! Graphs as deep as they like: declared, differentiated, built, run and written in a thread of little stack.
//!
//! Must hold: nothing that walks a graph calls itself for a node's operands.

use downhill::prelude::*;
use std::thread;

/// Less than a quarter of what Rust gives a thread.
const STACK: usize = 512 << 10;

/// Runs `work` in a thread of little stack, in which a recursion over a graph would end the process.
fn with_little_stack<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

network! {
    /// A value that grows by a part of itself, turn by turn.
    Grows(turns: usize) {
        input  x: [batch, 4];
        target y: [batch, 4];
        param w: [4] = ones();
        let h = x * w;
        for _ in 0..turns {
            h = h + h * 0.00002;
        }
        output p = h;
        loss   mean(square(p - y));
    }
}

#[test]
fn a_chain_of_many_elementwise_values_builds_and_trains() {
    with_little_stack(|| {
        let turns = std::env::var("TURNS").map_or(50_000, |t| t.parse().unwrap());
        let t = std::time::Instant::now();
        let mut net = Grows::new(turns).optimizer(sgd(0.01)).batch_sizes([2]).build().expect("a network");
        eprintln!("{:?} {}", t.elapsed(), net.report());
        let x = [[0.5_f32, -1.0, 2.0, 0.25], [1.5, 3.0, -0.5, 0.75]];
        let (mut expected, mut p) = (x, Vec::new());
        for value in expected.iter_mut().flatten() {
            for _ in 0..turns {
                *value += *value * 0.00002;
            }
            p.push(*value);
        }
        let answer = net.forward(&x).expect("an answer");
        assert_eq!(answer.as_slice::<f32>().expect("one output"), p);
        eprintln!("{:?} forward", t.elapsed());
        net.step(&x, &x).expect("a step");
        eprintln!("{:?} step", t.elapsed());
        drop(net);
        eprintln!("{:?} drop", t.elapsed());
    });
}
