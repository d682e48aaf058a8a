//! Updates of what is no state, or to what it cannot be.

use downhill::prelude::*;

network! {
    layer watched(x: [batch, n]) -> [batch, n] {
        state centre: [n] = zeros();
        update centre = mean(x, axes: [1]);
        update x = relu(x);
        x - centre
    }

    pub States(hidden: usize) {
        input x: [batch, 2];
        input z: [batch, 2];
        target y: [batch, 1];
        state level: [2] = zeros();
        state count: i32[] = zeros();
        state once: [] = zeros();
        state unseen: [2] = zeros();
        param w: [2] = ones();
        let h = watched(x);
        update level = mean(h);
        update count = count + 0.5;
        update once = once + 1;
        update once = once + 2;
        update w = w * 2;
        update h = relu(h);
        update hidden = 3;
        update levl = h;
        update fresh: [2] = h;
        update level;
        level = h;
        output p = linear(x, 1);
        loss squared_error(p, y) + mean(h * w);
    }
}

network! {
    pub Unseen() {
        input x: [batch, 2];
        input z: [batch, 2];
        target y: [batch, 1];
        state level: [2] = zeros();
        update level = mean(z, axes: [0]);
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = (States::new(3), Unseen::new());
}
