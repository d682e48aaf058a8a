//! Methods, indices, operators, literals and statements of Rust and Python.

use downhill::prelude::*;

network! {
    pub Methods(hidden: usize) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let a = x.relu();
        let b = linear(x, hidden).relu();
        let c = x.reshape([batch, 2, 2]).sum(1);
        let d = (x + 1).tanh();
        let e = x.view(batch, 4);
        let f = linear(x, 1).sigmoid().log();
        let g = x.size(0);
        let h = linear(x, x.shape[0]);
        let i = x[0];
        let j = x[.., 0];
        let k = x[:, 1:3];
        let l = linear(x, 4)[-1];
        let m = x[..., None];
        let n = x[0, 1];
        let o = slice(x, 0..2);
        output p = linear(x, 1);
        loss (p - y).pow(2).mean();
    }
}

network! {
    pub Attributes() {
        input  x: [batch, 4];
        target y: [batch, 1];
        output p = linear(x, 1), q = x.T;
        loss squared_error(p, y);
    }
}

network! {
    pub Operators(hidden: usize) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let a = x ** 2;
        let b = x ^ 2;
        let c = x % 2;
        let d = (x > 0) & (x < 1);
        let e = (x > 0) or (x < 1);
        let f = not x;
        let g = x > 0 ? x : 0;
        let h = x if hidden > 2 else relu(x);
        let i = .5 * x;
        let j = 2x;
        let k = relu(x)?;
        let l = &x;
        let m = *x;
        let n = x as f64;
        let o = zeros::<f32>([batch, 4]);
        let q = relu x;
        let r = vec![1, 2];
        let s = -;
        let t = relu(x, );
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub Statements(hidden: usize) {
        input  x: [batch, 4];
        label  y: [batch, 1];
        let h = linear(x, 4);
        h += x;
        while true { h = relu(linear(h, 4)); }
        loop { h = relu(h); }
        let a = match hidden { 1 => x, _ => relu(x) };
        let b = |z| relu(z);
        let c = lambda z: relu(z);
        let d, e = split(x, 2, axis: 1);
        let [f, g] = split(x, 2, axis: 1);
        let _ = relu(x);
        let i: Tensor = relu(x);
        let j := relu(x);
        println!("{}", x);
        const WIDTH: usize = 8;
        fn f(x: f32) -> f32 { x }
        for i in 0..3: h = relu(h);
        var k = relu(x);
        use std::f64::consts::PI;
        print(x);
        squared_error(f, g);
        h;
        optimizer adam(0.01);
        output p = linear(x, 1);
        return squared_error(p, y);
    }
}

network! {
    pub Numbers() {
        input  x: [batch, 4];
        target y: [batch, 1];
        let a = x + [1.0, 2.0, 3.0, 4.0];
        let b = 3 * PI;
        output p = linear(x, 1);
        loss squared_error(p, z);
    }
}

network! {
    pub Bindings(hidden: usize, name: String) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let (a, _) = lstm(x, 8);
        let b = relu(x), c = tanh(x);
        let d == relu(x);
        let 3 = relu(x);
        let e = x = 3;
        let f = x <> 3;
        let g = x |> relu;
        let h = 1e400 * x;
        let i = 99999999999999999999 * x;
        let j = { relu(x) };
        let k = linear(x, hidden.max(3));
        let l = linear(x, name);
        let m = x + "1";
        for (i, w) in [8, 16].iter().enumerate() { let n = relu(x); }
        for i in (0..3).rev() { let n = relu(x); }
        with torch.no_grad(): let o = x;
        pub input q: [batch, 4];
        shared r: linear(3);
        output: linear(x, 1);
        output p: linear(x, 1);
        output (x, y);
        loss mse = squared_error(p, y), mae = absolute_error(p, y);
    }
}

network! {
    pub Assigned() {
        input  x: [batch, 4];
        output = linear(x, 1);
        loss = squared_error(x, x);
    }
}

fn main() {
    let _ = (Bindings::new(1, String::new()), Assigned::new());
    let _ = (Methods::new(1), Attributes::new(), Operators::new(2), Statements::new(3), Numbers::new());
}
