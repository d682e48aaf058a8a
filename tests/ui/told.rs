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

network! {
    pub OfData(width: usize) {
        input  x: [batch, time];
        target y: [batch, 1];
        param  by_row: [batch, width] = zeros();
        state  seen: i32[2 * time] = zeros();
        param  fine: [width, width / 2] = zeros();
        output p = linear(x, 1);
        loss   squared_error(p, y) + sum(by_row) + sum(fine) + sum(f32(seen));
    }
}

fn main() {
    let _ = (OfTarget::new(), OfProduct::new(2), OfData::new(2));
}
