//! What a network must have in the end.

use downhill::prelude::*;

network! {
    pub WithoutLoss() {
        input x: [batch, 2];
        output p = linear(x, 1);
    }

    pub WithoutOutput {
        input x: [batch, 2];
        target y: [batch, 1];
        loss squared_error(linear(x, 1), y);
    }

    pub Untrained(hidden: usize) {
        input x: [batch, 2];
        target y: [batch, 1];
        param forgotten: [hidden] = zeros();
        let p = linear(x, 1);
        let aside = linear(x, hidden);
        let stopped = stop_gradient(linear(x, 1));
        output p, aside;
        loss squared_error(p + stopped, y);
    }

    pub Instances() {
        input x: [batch, 2];
        target y: [batch, 1];
        shared f = linear(1);
        shared g = linear(1);
        let p = f(x);
        output p;
        loss squared_error(p, y);
        loss second over g = squared_error(p, y);
    }

    pub Unnamed() {
        input x: [batch, 2];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
        loss absolute_error(p, y);
    }

    pub Sees() {
        input x: [batch, 2];
        target y: [batch, 2];
        let p = linear(x, 2);
        output p, error = p - y;
        loss squared_error(p, y);
    }

    pub Words() {
        input x: [batch, 2];
        target y: [batch, 1];
        target w: [2];
        let p = linear(x, 1);
        output p;
        loss squared_error(p, y, reduction: average);
        loss apart = squared_error(p, y, reduction: none);
        loss weighted = squared_error(p, y, weight: w);
    }
}

network! {
    layer endless(x: [batch, n]) {
        relu(endless(linear(x, n)))
    }

    layer greedy(x: [batch, n]) {
        input z: [batch, 2];
        loss mean(x);
        x
    }

    pub Recursion() {
        input x: [batch, 2];
        target y: [batch, 2];
        let p = endless(x);
        for _ in 0..3 { output p; }
        output q = greedy(p);
        loss squared_error(p, y);
    }

    pub Recursion(hidden: usize, hidden: usize) {
        input x: [batch, 2];
    }
}

network! {
    layer alone(x: [batch, n]) {
        x
    }
}

fn main() {}
