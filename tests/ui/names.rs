//! Names that mean nothing, or two things.

use downhill::prelude::*;

network! {
    layer block(x: [batch, n]) {
        let inner = relu(outer);
        linear(inner, n)
    }

    pub Names(hidden: usize, options: Vec<String>) {
        input x: [batch, 2];
        target y: [batch, 1];
        input x: [batch, 3];
        shared enc = linear(hidden);
        let h = relu(linear(x, hiden));
        let h = relu(h);
        g = sigmoid(h);
        let k = rellu(h);
        let l = bloc(h);
        let m = h(2.0);
        let n = relu;
        let o = enc;
        let q = dropout(h, options);
        let r = layer_norm_of_mine(h);
        let s = block(enc(x));
        hidden = 3;
        param w: [features, 2] = zeros();
        param v: [2] = nromal(0.0, 1.0);
        param u: [2] = glorot();
        param t: [2] = of_mine(1.0);
        let a = bce(h, y);
        let b = relu(H);
        let c = Relu(h);
        let d = relu(j);
        output missing;
        output hidden;
        output s;
        loss main over en = squared_error(s, y);
        loss main = squared_error(y, y);
        loss main = squared_error(y, y);
    }
}

network! {
    pub Parameters() {
        input x: [batch, 2];
        target y: [batch, 1];
        let h = linear(x, 1);
        output h;
        loss squared_error(h, y) + squares(h.wieght) + squares(x.weight) + squares(k.weight);
    }
}

fn main() {
    let _ = Names::new(3, vec![]);
}
