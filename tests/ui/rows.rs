//! Sizes that only a run tells, where they can never fit or would meet themselves.

use downhill::prelude::*;

network! {
    layer apart(a, b) {
        mean(square(a - b))
    }

    layer pairs(x: [rows, 1], y: [rows]) {
        x * y
    }

    /// One value a row, once as a column and once as a vector.
    pub Column(width: usize) {
        input  x: [batch, 2];
        target y: [batch];
        param w: [2, 1] = zeros();
        output p = x @ w;
        loss mean(square(p - y));
        loss by_layer = apart(p, y);
        loss of_pairs = mean(pairs(p, y));
        loss chosen = mean(select(p > 0.0, y, 0.0));
        loss greater = mean(maximum(y, p));
        loss masked = mean(f32(p > y));
        loss of_matrices = mean(x @ (expand(x, 2) * 0.5));
        loss compared = squared_error(p, y);
        loss crossed = binary_cross_entropy(sigmoid(p), y);

        // Each of these says what it means.
        loss every_pair = mean(square(p - expand(y, 0))) + mean(square(p - transpose(p)));
        loss lined_up = mean(square(p - expand(y, 1))) + mean(square(reshape(p, [batch]) - y));
        param table: [width, 1] = zeros();
        param other: [width] = zeros();
        loss of_width = mean(table - other);
    }
}

network! {
    layer halves(x: [batch, n], y: [batch, 2 * n]) -> [batch, n] {
        x
    }

    /// What could fit if a run had one certain size, and never does.
    pub Never(width: usize, turns: usize) {
        input x: [batch, 4];
        input z: [time, 4];
        input wide: [batch, width];
        target y: [bacth, 1];
        let centred = x - mean(x, axes: [1]);
        let product = x @ z;
        let both = concatenate(x, z, axis: 1);
        let flat = reshape(x, [batch * 3]);
        let half = halves(x, z);
        shared one = linear(1);
        let first = one(x);
        let again = one(reshape(x, [4, batch]));
        let h = x;
        for _ in 0..turns { h = h + wide * batch + z; }
        output p = linear(x, 1);
        loss squared_error(p, y);

        // The arguments may make these fit.
        let late = x + wide;
        let divided = reshape(x, [batch * width, 4 / width]) + reshape(x, [batch, -1]);
    }
}

fn main() {
    let _ = (Column::new(3), Never::new(4, 2));
}
