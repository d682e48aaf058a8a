//! Shapes that do not fit, each on its tokens.

use downhill::prelude::*;

network! {
    layer affine(x: [batch, n], units) -> [batch, units] {
        param a: [3, units] = normal(0.0, 1.0);
        param b: [units] = zeros();
        x @ a + b
    }

    pub Product(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        let h = relu(affine(x, hidden));
        output h;
        loss squared_error(linear(h, 1), y);
    }
}

network! {
    layer promises(x: [batch, n]) -> [batch, 4] {
        linear(x, 3)
    }

    layer takes(x: [batch, n], y: [batch, n + 1]) -> [batch, n] {
        x
    }

    layer ranks(x: [batch, time, n]) {
        x
    }

    layer unused(x: [batch, 3]) {
        let w = x + concatenate(x, x, axis: 1);
        w
    }

    pub Misfits(width: usize) {
        input x: [batch, 2];
        input z: [batch, 3];
        input i: i32[batch];
        target y: [batch, 1];
        let sum = x + z;
        let kinds = x + i;
        let a = promises(x);
        let b = takes(x, x);
        let c = ranks(x);
        let d = softmax(x, axis: 2);
        let wide = linear(x, width) + linear(x, width + 1);
        let broken = x * linear(sum, 7);
        let narrow = linear(x, width);
        output narrow;
        loss squared_error(narrow, linear(x, width + 2));
        loss vector = narrow * narrow;
        param w: [2 - 3, 4] = zeros();
    }
}

fn main() {
    let _ = (Product::new(3), Misfits::new(2));
}
