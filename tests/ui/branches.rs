//! What is no `if`.

use downhill::prelude::*;

network! {
    layer last(x: [batch, n], deep) {
        if deep { x }
    }

    layer body(x: [batch, n], deep) {
        if deep { let y = relu(x); y } else { x }
    }

    pub Branches(hidden: usize, deep: bool) {
        input x: [batch, 2];
        input z: [batch, _];
        target y: [batch, 1];
        let a = if deep { x };
        let b = if deep { relu(x); } else { x };
        let c = if deep { } else { x };
        let d = if hidden = 3 { x } else { x };
        let e = if deep x else { x };
        let f = if let deep { x } else { x };
        let g = if deep { x } else x;
        let h = x;
        if deep { h = relu(h); } else if hidden > 2 { h = x; }
        h = relu(h);
        if deep { h } else { x };
        for i in hidden h = relu(h);
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = Branches::new(3, true);
}
