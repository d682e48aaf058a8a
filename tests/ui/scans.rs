//! Mistakes of a `scan`: its head, what is carried and yielded, what its body may not.

use downhill::prelude::*;

network! {
    layer elman(x: [batch, time, n], units) -> [batch, time, units] {
        param u: [units, n] = xavier();
        param w: [units, units] = orthogonal();
        scan step in x along time, h = zeros([batch, units]) {
            h = tanh(step @ u + h @ w);
            yield h
        }
    }

    layer pair(x: [batch, time, n]) -> ([batch, n], [batch]) {
        (sum(x, axis: 1), sum(x, axis: 1))
    }

    layer single(x: [batch, time, n]) -> ([batch, n], [batch]) {
        sum(x, axis: 1)
    }

    pub Types() {
        input x: [batch, time, 3];
        input z: [batch, time, time];
        let a = scan step in x along time, h = 0.0 { h = h + step; yield h };
        let b = scan step in x along batch, n = zeros([time, 3]) { n = step > 0.0; yield step };
        let c = scan step in x along depth { yield step };
        let d = scan step in 2 * x along width { yield step };
        let e = scan step in z * 1.0 along time { yield step };
        let f = scan s in x along time, t in z along batch { yield s };
        let (g, h) = pair(x);
        let (i, j) = single(x);
        let k = lstm_cell(sum(x, axis: 1), zeros([batch, 2]), zeros([batch, 2]));
        let (l, m, n) = gru(x, 4);
        let o = gru(x, 4, h: zeros([batch, 3]));
        let p = linear(lstm(x, 4), 2) + lstm(x, 3);
        output y = elman(x, 4);
        loss mean(y);
    }

    pub Open(rate: f32, both: bool, layers: usize) {
        input x: [batch, time, 3];
        let a = lstm(x, 4, dropout: rate) + zeros([5]);
        let b = lstm(x, 4, bidirectional: both) + zeros([5]);
        let c = gru(x, 4, layers: layers) + zeros([5]);
        output a;
        loss mean(a) + mean(b) + mean(c);
    }

    pub Bodies() {
        input x: [batch, time, 3];
        state seen: [3] = zeros();
        let total = 0.0;
        let a = scan step in x along time { let twice = 2 * step; };
        let b = scan step in x along time { total = total + sum(step); yield total };
        let c = scan step in x along time { update seen = seen + 1.0; yield step };
        let d = scan step in x along time { output y = step; yield step };
        let e = scan step in x along time { for i in 0..2 { yield step * i; } yield step };
        let (f, g, h) = scan step in x along time { yield step };
        let i = scan step in x along time { yield step; yield 2 * step };
        let (j, k) = 2 * x;
        let l = scan step in x along time, step = x { yield step };
        step = x;
        yield x;
        output a;
        loss mean(b);
    }
}

network! {
    pub Form() {
        input x: [batch, time, 3];
        let a = scan step in x { yield step };
        let b = scan step along time { yield step };
        let c = scan h = zeros([batch]) { yield h };
        let d = scan step in x along { yield step };
        let e = scan step in x along time h = x { yield step };
        let f = scan step in x along time { let h = ; yield step };
        scan step in x along time { yield step };
        output a;
        loss mean(a);
    }
}

network! {
    pub Several() {
        input x: [batch, time, 4];
        target y: [batch, 1];
        let h = lstm(x, 8)[0];
        output p = linear(mean(h, axes: 1), 1);
        loss squared_error(p, y);
    }
}

fn main() {
    let _ = Types::new();
    let _ = Open::new(0.1, true, 2);
    let _ = Bodies::new();
    let _ = Form::new();
}
