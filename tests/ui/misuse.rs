//! Functions, instances and statements that are taken for others: each mistake is told once, with what does the work.

use downhill::prelude::*;

network! {
    layer half(x: [batch, n]) -> [batch, n] { relu(x) }

    pub Instances(hidden: usize) {
        input  x: [batch, 4];
        input  text: i32[batch, time];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        let f = linear(8);
        shared g = relu(linear(h, 8));
        shared k = linear(h, 8);
        let twin = linear(x, 4);
        let a = twin(h);
        let b = twin(x);
        let c = max(h, 0);
        let (most, place) = max(h, axes: [1]);
        let (state, (cell, other)) = lstm(expand(h, 1), 8);
        let d = linear(8, h);
        let e = linear(h, 4, 8);
        let i = layer_norm(h, [hidden]);
        let j = lstm(text, 8);
        let l = chunk(h, 2);
        let m = x @ [[1.0, 2.0], [3.0, 4.0]];
        let n = ones((batch, 4));
        let o = half(expand(x, 1));
        let q = squares(linear.weight);
        let r = eye(4);
        let s = dense(h, 8, kernel_regularizer: l2(0.01));
        let t = { let z = relu(h); z };
        let u = [linear(h, 8) for _ in range(3)];
        let v = if hidden > 3 { h } elif hidden > 2 { relu(h) } else { tanh(h) };
        # a comment of Python
        let w = scan step in expand(x, 1) along 1, carried = zeros([batch, 4]) { yield step };
        if h > 0.0 { h = relu(h); }
        output p = linear(h, 1);
        loss += squared_error(p, y);
        loss squared_error(p, y) + squares(self.parameters());
    }
}

network! {
    pub Arguments(hidden: int, depth: usize = 3) {
        input x: [batch];
        output p = linear(x, 1);
    }
}

network! {
    pub Column() {
        input s: [batch, 4];
        input a: i32[batch];
        input x: [batch];
        output q = gather(s, a), p = linear(x, 1);
    }
}

fn main() {
    let _ = (Instances::new(2), Arguments::new(2, 3), Column::new());
}
