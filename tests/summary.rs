//! A network as a table.

use downhill::prelude::*;

network! {
    layer block(x: [batch, n], width) -> [batch, width] {
        let inner = relu(linear(x, 4 * width));
        layer_norm(linear(inner, width))
    }

    Deep(width: usize, classes: usize) {
        input  x: [batch, 8];
        target t: i32[batch];
        shared halve = linear(width, bias: false);
        let h = relu(linear(x, width));
        for turn in 0..2 {
            h = block(h, width);
        }
        let twice = halve(halve(h));
        output logits = linear(twice, classes), best = argmax(logits);
        loss   cross_entropy(logits, t);
    }
}

#[test]
fn each_value_is_told_with_what_it_brings() {
    let net = Deep::new(16, 3).optimizer(adam(0.1)).build().expect("a network");
    let summary = net.summary();
    let expected = "\
Deep

value    shape          parameters  of
input x  [batch, 8]
h        [batch, 16]           144  h.weight [8, 16], h.bias [16]
h.0      [batch, 16]         2,160  h.0.inner.weight [16, 64], h.0.inner.bias [64], h.0.0.weight [64, 16], h.0.0.bias [16], \
h.1.0.weight [16], h.1.0.bias [16]
h.1      [batch, 16]         2,160  h.1.inner.weight [16, 64], h.1.inner.bias [64], h.0.1.weight [64, 16], h.0.1.bias [16], \
h.1.1.weight [16], h.1.1.bias [16]
twice    [batch, 16]           256  halve.weight [16, 16]
logits   [batch, 3]             51  logits.weight [16, 3], logits.bias [3]
best     i32[batch]

4,771 parameters, 18.6 KiB; states 37.3 KiB";
    assert_eq!(summary.to_string(), expected);
    assert_eq!(summary.parameters, net.parameter_count());
    let counted: usize = summary.rows.iter().map(|row| row.count()).sum();
    assert_eq!(counted, summary.parameters);
}
