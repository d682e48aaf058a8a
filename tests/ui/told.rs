//! Sizes that no input tells.

use downhill::prelude::*;

network! {
    pub OfTarget() {
        input  x: [4];
        target y: [batch, 1];
        param b: [1] = zeros();
        output p = zeros([batch, 1]) + b * sum(x);
        loss   squared_error(p, y);
    }

    pub OfProduct(width: usize) {
        input  x: [batch * time];
        input  z: [width * count];
        target y: [batch * time];
        output fits = zeros([count]), p = x * 2;
        loss   mean(square(p - y)) + mean(z);
    }
}

fn main() {
    let _ = (OfTarget::new(), OfProduct::new(2));
}
