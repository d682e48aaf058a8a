//! Heads and declarations as other languages have them; commas and semicolons that are missing.

use downhill::prelude::*;

network! {
    layer generic<T>(x) { relu(x) }
    layer typed(x: [batch, n], units: usize) { linear(x, units) }
    layer borrowed(x: &Tensor) { linear(x, 3) }
    layer comma(x: [batch, n] units) { linear(x, units) }
    layer returns(x) { return linear(x, 3); }
    layer ended(x) { linear(x, 1); }

    pub Inputs() {
        input x: [batch, 4], z: [batch, 2];
        input a [batch, 4];
        input b: [batch 4];
        input c: (batch, 4);
        input d: [f32; 4];
        input e: [_, 4];
        input f: [None, 4];
        input g: [-1, 4];
        input h: int[batch];
        input i: Tensor<2>;
        inputs j: [batch, 4];
        target y: [batch, 1];
        param u = normal(0.0, 1.0);
        param v: [4, 1] = 0.0;
        param w: [4, 1] = xavier;
        parameter q: [4, 1] = zeros();
        let o = linear(a 4);
        let r = relu(a)
        let s = tanh(r) output p = sigmoid(s);
        loss: squared_error(p, y);
        loss squared_error(p, y), absolute_error(p, y);
    }
}

network! {
    pub Generic<T>(hidden: usize) { input x: [batch, 4]; }
    pub struct Struct(hidden: usize) { input x: [batch, 4]; }
    network Net(hidden: usize) { input x: [batch, 4]; }
    class Class(Module) { input x: [batch, 4]; }
    pub Result(hidden: usize) -> [batch, 1] { input x: [batch, 4]; }
    pub Object(&self, hidden: usize) { input x: [batch, 4]; }
    pub Default(hidden = 10) {
        input  x: [batch, 4];
        target y: [batch, 1];
        output p = linear(x, hidden);
        loss   squared_error(p, y);
    }
}

network! {
    layer result(x: [batch, n]): [batch, 1] { linear(x, 1) }
    pub layer visible(x) { linear(x, 1) }
    layer object(self, x) { linear(x, 1) }
    layer default(x, units = 3) { linear(x, units) }
    layer assigned(x) = linear(x, 1);
    layer bare x { linear(x, 1) }
    pub Lifetime(name: &str) { input x: [batch, 4]; }
    pub Empty(hidden: usize);
    pub Shapes() {
        input: [batch, 4];
        input a: [batch, 4] = zeros();
        input b, c: [batch, 4];
        input d: [batch; 4];
        input e: [batch, 4], f32;
        target y: [batch, 1];
        param v: 4 = zeros();
        param w: [2] = [1.0, 2.0];
        output p = linear(e, 1);
        loss squared_error(visible(p), y);
    };
}

network! {
    pub Undeclared(hidden: usize) {
        output p = linear(x, 1);
        loss squared_error(p, y);
    }

    pub Products(hidden: usize) {
        input x: [batch, 4];
        param w: [4, 4] = xavier_uniform();
        param v: [4, hidden] = xavier_uniform();
        let a = x * w;
        output b = v @ x;
        loss sum(a);
    }
}

fn main() {
    let _ = (Inputs::new(), Shapes::new(), Default::new(1), Undeclared::new(2), Products::new(3));
}
