//! Functions that are called by their path: what does not fit is told at the call.

use downhill::prelude::*;

network! {
    pub Small() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = self::scaled(x, 2);
        let g = self::scaled(3, 0.5);
        let f = self::scaled(x);
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn scaled(x: &Value, factor: f64) -> Value {
    x * factor
}

fn main() {
    let _ = Small::new();
}
