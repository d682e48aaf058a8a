//! Mistakes of a gradient of one's own.

use downhill::prelude::*;

network! {
    layer transposed(x: [batch, n], w: [n]) -> [batch, n] {
        x * w
        gradient(g) { (g * w, g * x) }
    }

    layer single(x: [batch, n], w: [n]) -> [batch, n] {
        x * w
        gradient(g) { g * w }
    }

    layer untrained(x: [batch, n], units) -> [batch, units] {
        linear(x, units)
        gradient(g) { sum(g) }
    }

    layer declares(x: [batch, n]) -> [batch, n] {
        x
        gradient(g) { linear(g, n) }
    }

    layer several(x: [batch, n]) -> ([batch, n], [batch, n]) {
        (x, x)
        gradient(g) { g }
    }

    pub Types() {
        input x: [batch, 3];
        param w: [3] = ones();
        let a = transposed(x, w);
        let b = single(x, w);
        let c = untrained(x, 3);
        let d = declares(x);
        let (e, f) = several(x);
        output y = a + b + c + d + e + f;
        loss mean(y);
    }
}

network! {
    layer before(x: [batch, n]) -> [batch, n] {
        gradient(g) { g }
        x
    }

    layer nameless(x: [batch, n]) -> [batch, n] {
        x
        gradient() { 0.0 }
    }

    layer two(x: [batch, n]) -> [batch, n] {
        x
        gradient(g, h) { g }
    }

    layer empty(x: [batch, n]) -> [batch, n] {
        x
        gradient(g) { let y = g; }
    }

    layer more(x: [batch, n]) -> [batch, n] {
        x
        gradient(g) { g } x
    }

    pub Forms() {
        input x: [batch, 3];
        output y = before(x);
    }
}

fn main() {}
