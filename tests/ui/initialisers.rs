//! Initialisers and random numbers in each other's place.

use downhill::prelude::*;

network! {
    pub Noise(latent: usize) {
        input x: [batch, 4];
        target y: [batch, 1];
        let a = x + kaiming_uniform(x);
        let b = x + randn_like(x);
        let c = x + rand_like(x);
        let d = x + normal(x);
        let e = x + uniform_like(x, 0.0, x);
        let f = linear(x + bernoulli(0.5), 1);
        output p = linear(a + b + c + d + e, 1) + f;
        loss squared_error(p, y);
    }
}

fn main() {}
