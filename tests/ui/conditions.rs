//! Conditions, lists and open sizes that are certainly wrong.

use downhill::prelude::*;

network! {
    layer block(x: [batch, n], units, stride) -> [batch, _] {
        if stride == 1 { x } else { linear(x, unit) }
    }

    layer deeper(x: [batch, n], times) {
        if times == 0 { x } else { deeper(linear(x, n), times - 1) }
    }

    layer open(x: [batch, _], y: [batch, n]) -> [batch, n, _] {
        linear(y, n)
    }

    layer wrong(y: [batch, n]) -> [batch, n + 1, _] {
        linear(y, n)
    }

    pub Conditions(hidden: usize, rate: f64, deep: bool, sizes: Vec<usize>) {
        input x: [batch, 2];
        target y: [batch, 1];
        let a = if batch > 3 { x } else { relu(x) };
        let b = if x > 0.0 { x } else { relu(x) };
        let c = if hidden { x } else { relu(x) };
        let d = if hidden > 2 && rate { x } else { relu(x) };
        let e = select(x > 0.0 && x < 1.0, x, 0.0);
        let f = select(!(x > 0.0), x, 0.0);
        let g = if deep { linear(x, 3) + x } else { linear(x, 3) };
        let h = block(x, 3, stride: 1);
        let i = deeper(x, 0);
        let j = if deep { unheard } else { x };
        let k = if false { linear(x, bais: true) } else { x };
        let l = if true { x } else { linaer(x, 3) };
        let m = linear(x, sizes);
        let n = x + deep;
        let v = -deep;
        let o = if deep == 1 { x } else { relu(x) };
        let q = wrong(x);
        let r = linear(x, 3) + (if deep { x } else { relu(x) });
        let s = if [1, 2] { x } else { x };
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub Loops(hidden: usize, deep: bool, sizes: Vec<usize>) {
        input x: [batch, 2];
        target y: [batch, 1];
        let h = x;
        for i in hidden { h = relu(h); }
        for i in [2, batch] { h = relu(h); }
        for i in x { h = relu(h); }
        for i in 0.5 { h = relu(h); }
        for i in [0.5, 2] { h = relu(h); }
        for i in deep { h = relu(h); }
        for size in [3, 4] { size = 2; h = x @ linear(x, size); }
        for size in sizes { h = linear(h, size, bais: false); }
        for size in sizes[0] { h = relu(h); }
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = (Conditions::new(3, 0.1, true, vec![]), Loops::new(3, true, vec![]));
}
