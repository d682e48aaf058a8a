//! Losses that would train nothing: operands in the wrong order, sums of a softmax, one class.

use downhill::prelude::*;

network! {
    pub Swapped() {
        input  x: [batch, 4];
        input  seen: [batch, 3];
        target y: [batch, 3];
        target label: i32[batch];
        let z = linear(x, 3);
        let p = sigmoid(z);
        output p, log = log_softmax(z);

        loss b1 = binary_cross_entropy(y, p);
        loss b2 = bce_with_logits(y, z);
        loss b3 = binary_cross_entropy(seen, p);
        loss b4 = binary_cross_entropy(y, y);
        loss c1 = cross_entropy(label, z);
        loss c2 = cross_entropy(f32(label), sum(z, axes: [1]));
        loss c3 = nll(y, log_softmax(z));
        loss k1 = kl_divergence(stop_gradient(y), log);
        loss h1 = hinge(transpose(transpose(y)), z);
        loss f1 = focal(y, z);
        loss right = squared_error(y, p) + cosine_embedding(y, p, 1.0) + kl_divergence(log, seen);
    }

    pub Fixed() {
        input  x: [batch, 4];
        target y: [batch, 1];
        target label: i32[batch];
        let z = linear(x, 3);
        output z;

        loss s1 = sum(softmax(z));
        loss s2 = 0.5 * mean(softmax(z)) + squares(z.weight);
        loss s3 = mean(sum(softmax(z), axes: [1]));
        loss s4 = squared_error(softmax(linear(x, 1)), y);
        loss s5 = cross_entropy(linear(x, 1), label);
        loss right = sum(softmax(z, axis: 0), axes: [1, 0]) - sum(softmax(z) * z);
    }

    pub Labels() {
        input  x: [batch, 4];
        target index: i32[batch];
        target column: i32[batch, 1];
        target number: [batch];
        output z = linear(x, 3);

        loss l1 = squared_error(z, index);
        loss l2 = cross_entropy(z, column);
        loss l3 = cross_entropy(z, number);
    }
}

fn main() {
    let _ = (Swapped::new(), Fixed::new(), Labels::new());
}
