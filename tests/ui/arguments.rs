//! Arguments of calls.

use downhill::prelude::*;

network! {
    layer affine(x: [batch, n], units) {
        linear(x, units)
    }

    pub Arguments(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        let a = linear(x, hidden, true, zeros(), 5);
        let b = linear(x);
        let c = leaky_relu(x, slop: 0.2);
        let d = leaky_relu(x, slope: 0.2, slope: 0.3);
        let e = linear(x, x);
        let f = affine(x);
        let g = affine(x, 3, 4);
        let h = affine(x, unit: 3);
        let i = softmax(x, axis: 0.5);
        let j = linear(x, 2, bias: 1.0);
        let k = dropout(x, 1.5);
        let l = linear(x, 2, init: normal(1.0, 2.0, 3.0));
        let m = linear(x, 0 - 2);
        let n = x * [batch, 2];
        let o = x * (hidden / 0);
        let r = 1 / hidden * x;
        for _ in 0..batch { n = relu(n); }
        let q = relu(x, 2);
        let s = batch_norm(x, momentum: 1.5);
        let t = batch_norm(x, eps: 0.0);
        let u = batch_norm(sum(x, axes: [1]));
        let p = linear(x, 1);
        output p;
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = Arguments::new(3);
}
