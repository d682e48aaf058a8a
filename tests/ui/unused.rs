//! Inputs and targets that nothing uses: rustc warns of them.

#![deny(warnings)]

use downhill::prelude::*;

network! {
    pub Unused() {
        input  x: [batch, 4];
        input  extra: [batch, 2];
        input  _spare: [batch, 2];
        input  lengths: [time];
        target y: [batch, 1];
        target weight: [batch];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = Unused::new();
}
