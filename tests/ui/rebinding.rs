//! Names that keep their meaning, and names that a loop would forget.

use downhill::prelude::*;

network! {
    layer block(x: [batch, n], units) {
        x = relu(x);
        units = units + 1;
        linear(x, units)
    }

    pub Rebinding(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        param w: [2, hidden] = normal();
        state m: [1] = zeros();
        m = 0.9 * m + 0.1 * mean(x);
        w = w * 2;
        x = x / 255.0;
        y = 2 * y;
        hidden = hidden + 1;
        batch = 1;
        let h = block(x @ w, hidden);
        for i in 0..3 {
            let h = relu(linear(h, hidden));
            let x = h;
            for _ in 0..2 { let x = h; let i = h; }
        }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = Rebinding::new(3);
}
