//! Probabilities where logits are taken, and the other way round.

use downhill::prelude::*;

network! {
    pub Confused(units: usize) {
        input  x: [batch, 4];
        target y: [batch, 3];
        target label: i32[batch];
        param w: [4, 3] = normal(0.0, 1.0);
        param t: [1] = ones();
        let z = linear(x, 3);
        let renamed = reshape(stop_gradient(z), [batch * 3]);
        let p = sigmoid(z);
        let q = softmax(z);
        output z, p, q;

        loss b1 = binary_cross_entropy(z, y);
        loss b2 = binary_cross_entropy(reshape(renamed, [batch, 3]), y);
        loss b3 = binary_cross_entropy(x @ w, y);
        loss b4 = binary_cross_entropy(relu(z) , y);
        loss b5 = binary_cross_entropy(tanh(z * 2.0 / t - 0.5), y);
        loss b6 = binary_cross_entropy(dropout(leaky_relu(z), 0.5), y);
        loss b7 = binary_cross_entropy(gelu(z), y);
        loss c1 = categorical_cross_entropy(z, label);
        loss c2 = categorical_cross_entropy(-linear(x, units, bias: false), linear(x, units));
        loss c3 = categorical_cross_entropy(silu(z) , y);
        loss c4 = categorical_cross_entropy(elu(z) , y);
        loss l1 = bce_with_logits(p, y);
        loss l2 = bce_with_logits(stop_gradient(transpose(transpose(p))), y);
        loss l3 = bce_with_logits(q, y);
        loss l4 = logistic_loss(p, 2 * y - 1);
        loss e1 = cross_entropy(q, label);
        loss e2 = cross_entropy(slice(softmax(z, axis: 0), end: 3), y);
        loss e3 = cross_entropy(p, label);
        loss n1 = nll(q, label);
        loss n2 = nll(z, label);
        loss n3 = nll(p, y);
    }
}

fn main() {
    let _ = Confused::new(3);
}
