//! Shapes of a first hour: what another library would have stretched, joined or taken apart.

use downhill::prelude::*;

network! {
    pub First1() {
        input image: [batch, 3, 32, 32];
        target label: i32[batch];
        let h = relu(conv(image, 16, kernel: 3));
        let skip = conv(image, 16, kernel: 1);
        output z = linear(global_average_pool(h + skip), 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First2() {
        input image: [batch, 3, 32, 32];
        target mask: [batch, 1, 32, 32];
        let d1 = relu(conv(image, 16, kernel: 3, padding: 1));
        let d2 = relu(conv(max_pool(d1, 2), 32, kernel: 3, padding: 1));
        let u1 = conv_transpose(d2, 16, 3, stride: 2);
        let c = concatenate(u1, d1, axis: 1);
        output p = conv(c, 1, kernel: 1);
        loss bce_with_logits(p, mask);
    }
}

network! {
    layer residual(x: [batch, c, h, w], channels) -> [batch, channels, h, w] {
        let y = relu(batch_norm(conv(x, channels, kernel: 3, stride: 2, padding: 1)));
        y + x
    }
    pub First3() {
        input image: [batch, 3, 64, 64];
        target label: i32[batch];
        output z = linear(global_average_pool(residual(image, 16)), 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First4(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        let h = gru(x, units);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    layer last(x: [batch, time, n], units) -> [batch, units] {
        param w: [n, units] = xavier_uniform();
        scan step in x along time, h = zeros([batch, units]) {
            h = tanh(step @ w + h);
            yield h
        }
    }
    pub First5(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        output p = linear(last(x, units), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First6() {
        input x: [batch, 8];
        target y: [batch, 1];
        param w: [1, 8] = zeros();
        output p = x @ w;
        loss squared_error(p, y);
    }
}

network! {
    pub First7() {
        input x: [batch, 8];
        target y: [batch, 1];
        param w: [8, 1] = zeros();
        param b: [8] = zeros();
        output p = x @ w + b;
        loss squared_error(p, y);
    }
}

network! {
    pub First8() {
        input a: [batch, 8];
        input b: [batch, 4];
        target y: [batch, 1];
        let h = concatenate(a, b, axis: 0);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First9() {
        input x: [batch, 12];
        target y: [batch, 1];
        let e = x - mean(x, axis: 1);
        output p = linear(e, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First10() {
        input x: [32, 4];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First11() {
        input x: [batch_size, 4];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First12() {
        input image: [batch, 1, 28, 28];
        target picture: [batch, 1, 28, 28];
        let code = max_pool(relu(conv(image, 8, kernel: 3, padding: 1)), 4);
        output p = sigmoid(conv(upsample(code, 2), 1, kernel: 3, padding: 1));
        loss binary_cross_entropy(p, picture);
    }
}

network! {
    pub First13(units: usize) {
        input x: [batch, 8];
        target y: [batch, 1];
        let (out, h) = gru(x, units);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First14() {
        input x: [batch, 8];
        target y: [batch, 1];
        output mean = linear(x, 1), var = exp(linear(x, 1));
        loss gaussian_nll(mean, var, y);
    }
}

network! {
    pub First15() {
        input x: [batch, 8];
        target y: [batch, 4];
        param w: [8, 4] = xavier_uniform();
        param b: [1, 8] = zeros();
        output p = x @ w + b;
        loss squared_error(p, y);
    }
}

network! {
    pub First16() {
        input x: [batch, 8];
        target y: [batch, 4];
        output p = linear(x, 3);
        loss squared_error(p, y);
    }
}

network! {
    pub First17() {
        input x: [batch, 8];
        target y: [batch, 1];
        let h = concatenate(x, mean(x, axes: [1]));
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    layer attentionpool(x: [batch, time, n]) -> [batch, n] {
        let score = softmax(linear(x, 1), axis: 1);
        sum(x * score, axes: 1)
    }
    pub First18() {
        input x: [batch, 8];
        target y: [batch, 1];
        output p = linear(attentionpool(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First19() {
        input a: [batch, 8];
        input b: [other, 8];
        target y: [batch, 1];
        output p = linear(a * b, 1);
        loss squared_error(p, y);
    }
}

network! {
    layer se(x: [batch, c, h, w], r) -> [batch, c, h, w] {
        let s = sigmoid(linear(relu(linear(global_average_pool(x), c / r)), c));
        x * s
    }
    pub First20() {
        input image: [batch, 8, 16, 16];
        target label: i32[batch];
        output z = linear(global_average_pool(se(image, 4)), 10);
        loss cross_entropy(z, label);
    }
}

fn main() {}
