//! What cannot be read. Everything else is still read and checked.

use downhill::prelude::*;

network! {
    layer nothing(x: [batch, n]) {
        let h = relu(x);
    }

    layer dropped(x: [batch, n]) {
        relu(x);
        x
    }

    pub Form(hidden, depth: usize) {
        input x: [batch, 2]
        target y: [batch, 1];
        input i: i64[batch];
        input j: batch;
        let mut a = relu(x);
        let b: f32 = relu(x);
        let c = x.relu();
        let d = 'c';
        let e = 1.0f32 * x;
        let f = 0.0 < x < 1.0;
    }
}

network! {
    pub Statements(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        #[allow(unused)]
        let a = leaky_relu(slope: 0.1, x);
        let b = x +;
        let c = self::activation(x, factor: 3);
        let d = std::f64::consts::PI;
        lte e = relu(x);
        relu(x);
        param w: [2];
        param v: [2] = zeros;
        for i in 0..=3 { let f = relu(x); }
        for i in 0 { let f = relu(x); }
        output sigmoid(a);
        loss squared_error(a, y)
    }

    struct Wrong {
        field: usize,
    }
}

network! {
    pub Unclosed(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        let good = linear(x, hidden)
        let also = relu(good);
        let wrong = relu(unheard);
        output also;
        loss squared_error(also, linear(x, 3, bais: true));
    }
}

network! {}

fn main() {
    let _ = (Form::new(1, 2), Statements::new(3), Unclosed::new(4));
}
