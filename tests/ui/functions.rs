//! Equations of axes, and words of Rust's own.

use downhill::prelude::*;

network! {
    pub Functions(width: usize) {
        input x: [batch, 4];
        let a = einsum("b?->b", x);
        let b = einsum("bn->bb", x);
        let c = einsum("bn,nm->bm", x);
        let d = einsum("bnm->b", x);
        let e = einsum("bn,bm->", x, linear(x, width));
        let f = einsum("bn,nb->b", x, x);
        let g = einsum(3, x);
        let h = x * "four";
        let i = where(x > 0, x, 0);
        let j = clip(x, min: 0);
        let k = linear(x, 2, init: kaiming_normal(mode: fan_around));
        let l = linear(x, 2, init: kaiming_normal(nonlinearity: x));
        let m = linear(x, 2, init: xavier_normal(mode: fan_in));
        output p = sum(x);
    }
}

fn main() {
    let _ = Functions::new(3);
}
