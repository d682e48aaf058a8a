//! A first hour: what people write who come from PyTorch, Keras, burn or plain Rust.

use downhill::prelude::*;

network! {
    pub First1(hidden: usize) {
        input x: [batch, 784];
        target label: i32[batch];
        let h = dense(x, units: hidden, relu);
        output z = linear(h, 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First2(hidden: usize) {
        input x: [batch, 784];
        target label: i32[batch];
        let h = linear { x, hidden };
        output z = linear(h, 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First3(hidden: usize) {
        input x: [batch, 784];
        target label: i32[batch];
        let h = linear(x, hidden).then(relu);
        output z = linear(h, 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First4(hidden: usize) {
        input x: [batch, 8];
        target y: [batch, 1];
        let fc = LinearConfig::new(8, hidden).init(device);
        output p = linear(fc.forward(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First5(layers: Vec<usize>) {
        input x: [batch, 8];
        target y: [batch, 1];
        let h = x;
        for n in layers[1:] { h = relu(linear(h, n)); }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First6(layers: Vec<usize>) {
        input x: [batch, 8];
        target y: [batch, 1];
        let h = x;
        for i in 0..layers.len() { h = relu(linear(h, layers[i])); }
        output p = linear(h, layers[0]);
        loss squared_error(p, y);
    }
}

network! {
    pub First7(hidden: usize, rate: f32) {
        input x: [batch, 8];
        target y: [batch, 1];
        let h = dropout(rate, relu(linear(x, hidden)));
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First8() {
        input x: [batch, 8];
        target y: [batch, 2];
        output a = linear(x, 1);
        output b = linear(x, 1);
        loss squared_error([a, b], y);
    }
}

network! {
    pub First9(act: fn(&Value) -> Value) {
        input x: [batch, 8];
        target y: [batch, 1];
        let h = act(linear(x, 8));
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First10(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        let (out, (h, c)) = lstm(x, units);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First11(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        scan xt in x along time, h = zeros([batch, units]) {
            h = tanh(linear(xt, units) + linear(h, units));
            yield h
        }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    layer myrnn(x: [batch, time, n], units) -> [batch, time, units] {
        param w: [n, units] = xavier_uniform();
        scan step in x along time, h = zeros([batch, units]) {
            h = tanh(step @ w + h);
            return h
        }
    }
    pub First12(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, time, 1];
        output p = linear(myrnn(x, units), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First13(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        let h, carry = jax.lax.scan(step, h0, x);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First14(heads: usize) {
        input words: i32[batch, time];
        target next: i32[batch, time];
        let e = embedding(words, 50, 32);
        let a, weights = attention(e, e, e, heads);
        output z = linear(a, 50);
        loss cross_entropy(z, next);
    }
}

network! {
    pub First15(heads: usize) {
        input words: i32[batch, time];
        target next: i32[batch, time];
        let e = embedding(words, 50, 32);
        let q = linear(e, 32);
        let k = linear(e, 32);
        let v = linear(e, 32);
        let s = q @ k.transpose(-2, -1) / math.sqrt(32);
        let s = s.masked_fill(mask == 0, float("-inf"));
        output z = linear(softmax(s) @ v, 50);
        loss cross_entropy(z, next);
    }
}

network! {
    pub First16() {
        input x: [batch, 8];
        target label: i32[batch];
        output z = linear(x, 3);
        loss cross_entropy(z, label, class_weight: [1.0, 2.0]);
    }
}

network! {
    pub First17() {
        input x: [batch, 8];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss huber(p, y, 1.0, "mean");
    }
}

network! {
    pub First18() {
        input x: [batch, 8];
        target y: [batch, 1];
        output mu = linear(x, 1), sigma = softplus(linear(x, 1));
        loss gaussian_nll(mu, y, var: sigma);
    }
}

network! {
    pub First19() {
        input x: [batch, 8];
        target label: i32[batch];
        output z = linear(x, 3);
        loss cross_entropy(z, label);
        metric accuracy(z, label);
    }
}

network! {
    pub First20() {
        input x: [batch, 12];
        target y: [batch, 1];
        let q = einsum("bi,jk->bk", x, x);
        let r = einsum("bi,ij->bj", x);
        output p = linear(q, 1);
        loss squared_error(p, y);
    }
}

network! {
    layer mlp(x, hidden: 32, out) { linear(relu(linear(x, hidden)), out) }
    pub First21() {
        input x: [batch, 4];
        target y: [batch, 1];
        output p = mlp(x, out: 1);
        loss squared_error(p, y);
    }
}

network! {
    layer ste(x: [batch, n]) -> [batch, n] {
        round(x)
        gradient(g) { return g; }
    }
    pub First22() {
        input x: [batch, 4];
        target y: [batch, 1];
        output p = linear(ste(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    layer ste(x: [batch, n]) -> [batch, n] {
        round(x)
        backward(grad) { grad }
    }
    pub First23() {
        input x: [batch, 4];
        target y: [batch, 1];
        output p = linear(ste(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    layer count(x: [batch, n]) -> [batch, n] {
        state seen: i32 = 0;
        update seen += 1;
        x
    }
    pub First24() {
        input x: [batch, 4];
        target y: [batch, 1];
        output p = linear(count(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First25() {
        input x: [batch, 4];
        target y: [batch, 1];
        shared f = linear(8), g = linear(8);
        output p = linear(f(x) + g(x), 1);
        loss squared_error(p, y);
    }
}

network! {
    layer gen(z: [batch, n]) -> [batch, 64] { sigmoid(linear(relu(linear(z, 128)), 64)) }
    layer disc(x: [batch, n]) -> [batch, 1] { linear(relu(linear(x, 128)), 1) }
    pub First26() {
        input z: [batch, 16];
        input real: [batch, 64];
        let fake = gen(z);
        output fake;
        loss judge over disc = bce_with_logits(disc(real), 1.0) + bce_with_logits(disc(stop_gradient(fake)), 0.0);
        loss artist over gen = bce_with_logits(disc(fake), 1.0);
    }
}

network! {
    pub First27() {
        input state: [batch, 4];
        target action: i32[batch];
        target goal: [batch];
        output values = linear(relu(linear(state, 32)), 2);
        loss squared_error(values[action], goal);
    }
}

network! {
    pub First28(width: usize) {
        input x: [batch, 4];
        target y: [batch, 1];
        param w: [4, 1] = random();
        param b: [1] = full(0.1);
        output p = x @ w + b;
        loss squared_error(p, y);
    }
}

network! {
    pub First29(width: usize) {
        input x: [batch, 4];
        target y: [batch, 1];
        param w: [4, width] = normal(std: 0.02);
        param v: [width] = uniform(-0.1..0.1);
        output p = linear(x @ w + v, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First30(width: usize) {
        input x: [batch, 4];
        target y: [batch, 1];
        let m = max(x, dim=1, keepdim=True);
        let r = x % 3;
        let v = x == m && x > 0;
        output p = linear(x - m, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First31(width: usize) {
        input x: [batch, 4];
        target y: [batch, 1];
        let h = x;
        for i in 0..3 { h = relu(linear(h, width * 2 ** i)); }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First32(width: usize) {
        input x: [batch, 16];
        target y: [batch, 1];
        let h = linear(in: 16, out: width, x);
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First33(width: usize) {
        input x: [batch, 16];
        target y: [batch, 1];
        let h = layer_norm(x, width);
        let k = dropout(h, 50);
        output p = linear(k, 1, bias_init: zeros);
        loss squared_error(p, y);
    }
}

network! {
    pub First34(width: usize) {
        input x: [batch, 16];
        target y: [batch, 1];
        let (a, b) = (linear(x, width), linear(x, width));
        output p = linear(a * sigmoid(b), 1);
        loss squared_error(p, y) where y > 0;
    }
}

network! {
    pub First35() {
        input image: [batch, 1, 28, 28];
        target label: i32[batch];
        let a = conv(image, 8, kernel: 3, groups: 4);
        output z = linear(flatten(a), 10);
        loss cross_entropy(z, label);
    }
}

network! {
    pub First36(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, 1];
        let (out, h) = lstm(x, units);
        output p = linear(last(out), 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First37(units: usize) {
        input x: [batch, time, 8];
        target y: [batch, time, 8];
        let h = bidirectional(gru(x, units));
        output p = time_distributed(linear(h, 8));
        loss squared_error(p, y);
    }
}

network! {
    layer decay(x: [batch, time, n]) -> [batch, time, n] {
        param a: [n] = constant(0.9);
        scan xt in x along time, s = zeros([batch, n]) {
            s = a * s + xt;
            s
        }
    }
    pub First38() {
        input x: [batch, time, 8];
        target y: [batch, time, 8];
        output p = decay(x);
        loss squared_error(p, y);
    }
}

network! {
    pub First39() {
        input tokens: i32[batch, time];
        target next: i32[batch, time];
        let e = embedding(tokens, 100, 32) * sqrt(32);
        let a = attention(e, e, e, num_heads: 4, attn_mask: causal_mask(time));
        output z = linear(a, 100);
        loss cross_entropy(z, next);
    }
}

network! {
    pub First40() {
        input tokens: i32[batch, time];
        target next: i32[batch, time];
        let e = embedding(tokens, vocab: 100, dim: 32);
        let a = transformer_encoder_layer(e, heads: 4);
        output z = linear(a, 100);
        loss cross_entropy(z, next);
    }
}

network! {
    pub First41(heads: usize) {
        input x: [batch, time, 32];
        target y: [batch, time, 32];
        let q = reshape(linear(x, 32), (batch, time, heads, 32 / heads));
        output p = linear(x, 32);
        loss squared_error(p, y);
    }
}

network! {
    layer lora(x: [batch, n], rank, out) -> [batch, out] {
        param a: [n, rank] = normal(0, 0.02);
        param b: [rank, out] = zeros;
        frozen w: [n, out] = xavier_uniform();
        x @ w + x @ a @ b
    }
    pub First42() {
        input x: [batch, 8];
        target y: [batch, 1];
        output p = lora(x, 2, 1);
        loss squared_error(p, y);
    }
}

network! {
    pub First43() {
        input s: [batch, 4];
        target q_target: [batch];
        target a: i32[batch];
        output q = linear(s, 2);
        loss mse(gather(q, 1, a), q_target);
    }
}

network! {
    pub First44() {
        input s: [batch, 4];
        target ret: [batch];
        let h = tanh(linear(s, 16));
        output logits = linear(h, 2), value = linear(h, 1);
        loss actor = mean(entropy(logits)) over logits;
        loss critic = squared_error(value, ret);
    }
}

network! {
    pub First45() {
        input x: [batch, 1];
        target y: [batch, 1];
        let u = linear(tanh(linear(x, 16)), 1);
        let ux = diff(u, x);
        let uxx = gradient(u, x, 2);
        output u;
        loss mean(square(ux)) + squared_error(u, y);
    }
}

network! {
    pub First46(n: usize) {
        input x: f32[batch, 8];
        output p = linear(h, 1);
        let h = relu(linear(x, n));
        loss mean(square(p));
    }
}

network! {
    pub First47(h: usize) {
        input x: [batch, 10];
        target y: [batch, 1];
        let a = linear(x, h, relu);
        output p = linear(a, 1);
        loss mse_loss(y, p);
    }
}

network! {
    pub First48(h: usize) {
        input image: [batch, 3, 32, 32];
        target label: i32[batch];
        let a = conv(image, 16, 3, padding: "same", activation: "relu");
        let b = max_pool(a, (2, 2));
        output z = linear(b, 10);
        loss cross_entropy(z, label);
    }
}

network! {
    layer ema(x: [batch, time, n], rate) -> [batch, time, n] {
        scan step in x along time, m = step {
            m = rate * m + (1 - rate) * step;
            yield m
        }
    }
    pub First49() {
        input x: [batch, time, 4];
        target y: [batch, time, 4];
        output p = ema(x, 0.9);
        loss squared_error(p, y);
    }
}

network! {
    pub First50() {
        input t: i32[batch, time];
        target y: i32[batch, time];
        let e = embedding(t, 100, 64);
        let a = attention(e, 8, causal=true, dropout_p=0.1);
        output z = linear(a, 100);
        loss cross_entropy(z.view(-1, 100), y.view(-1));
    }
}

network! {
    pub First51() {
        input x: [batch, 8];
        target y: [batch, 1];
        output z = linear(x, 1);
        loss squared_error(z, y) + l1_penalty(z.weight, 0.01);
    }
}

network! {
    pub First52() {
        input z: [batch, 8];
        input real: [batch, 16];
        shared g = linear(16);
        shared d = linear(1);
        output fake = g(z);
        loss d_loss = bce_with_logits(d(real), 1) + bce_with_logits(d(fake), 0);
        loss g_loss over generator = bce_with_logits(d(fake), 1);
    }
}

network! {
    pub First53(n: usize) {
        input x: [batch, n];
        target y: [batch, 1];
        let layers = [linear(x, 8)] * 3;
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

fn main() {}
