//! `if`, loops over lists, and sizes that a layer leaves open: what they declare, which numbers they give, and what `build` refuses.
#![deny(warnings)]

use downhill::builder::{Declaration, Mode};
use downhill::prelude::*;

network! {
    /// A step down where `wide` says so, and a way round it only where both ends fit.
    layer block(x: [batch, n], units, stride, wide) -> [batch, _] {
        let y = relu(linear(x, if wide { 2 * units } else { units }));
        y = linear(y, units, bias: stride == 1);
        let skip = if stride == 1 && n == units { x } else { linear(x, units, bias: false) };
        y + skip
    }

    /// A stack as wide as its list says.
    pub Residual(widths: Vec<usize>, depth: usize, wide: bool, rate: f64) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let h = x;
        for width in widths {
            for turn in 0..depth {
                h = block(h, width, wide: wide, stride: if turn == 0 && width > 4 { 2 } else { 1 });
            }
        }
        h = if rate > 0.0 { dropout(h, rate) } else { h };
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

network! {
    /// Arguments that are called like functions.
    pub Alike(norm: bool, repeat: usize) {
        input  x: [batch, 4];
        let h = x;
        for _ in 0..repeat { h = relu(linear(h, 4)); }
        output y = if norm { layer_norm(h) } else { h };
    }
}

fn declared(network: &impl Network) -> Declaration {
    network.declaration(Mode::Train).unwrap_or_else(|errors| panic!("{errors}"))
}

/// `name: shape` of every storage, with the arguments' numbers.
fn storages(network: &impl Network) -> Vec<String> {
    let graph = declared(network).graph;
    let line = |storage: &downhill::graph::Storage| {
        format!("{}: {}", storage.name, storage.ty.shape.bind(&graph.bindings))
    };
    graph.storages.iter().map(line).collect()
}

#[test]
fn arguments_may_be_called_like_functions() {
    assert_eq!(storages(&Alike::new(false, 1)), ["h.0.weight: [4, 4]", "h.0.bias: [4]"]);
    assert_eq!(storages(&Alike::new(true, 0)), ["y.weight: [4]", "y.bias: [4]"]);
}

#[test]
fn a_branch_that_is_not_taken_declares_nothing() {
    let expected = [
        "h.0.0.y.0.weight: [4, 4]",
        "h.0.0.y.0.bias: [4]",
        "h.0.0.y.1.weight: [4, 4]",
        "h.0.0.y.1.bias: [4]",
        "h.1.0.y.0.weight: [4, 6]",
        "h.1.0.y.0.bias: [6]",
        "h.1.0.y.1.weight: [6, 6]",
        "h.1.0.skip.weight: [4, 6]",
        "p.weight: [6, 1]",
        "p.bias: [1]",
    ];
    let found = storages(&Residual::new(vec![4, 6], 1, false, 0.0));
    assert_eq!(found, expected);
    let wide = storages(&Residual::new(vec![4, 6], 2, true, 0.5));
    assert!(wide.contains(&"h.1.1.y.0.weight: [6, 12]".to_owned()), "{wide:?}");
    assert!(!wide.iter().any(|name| name.starts_with("h.1.1.skip")), "{wide:?}");
    assert_eq!(storages(&Residual::new(Vec::new(), 3, true, 0.0)), ["p.weight: [4, 1]", "p.bias: [1]"]);
}

network! {
    /// Every kind of condition, each beside what it decides.
    pub Conditions(depth: usize, rate: f64, flag: bool, sizes: Vec<usize>) {
        input  x: [batch, 2];
        target y: [batch];
        let a = if !flag { 1.0 } else if depth >= 3 { 2.0 } else { 3.0 };
        let b = if flag == true || 10 / (depth - 1) > 4 { 10 } else { 20 };
        let c = if (rate < 0.5) != flag { 100.0 } else { 200.0 };
        let d = if { sizes.len() > 1 } && depth != 2 { 1000 } else { 2000 };
        let small = depth <= 2;
        let e = if small { sum(x) } else { sum(x) * 2.0 };
        let s = 0.0;
        for size in sizes { s = s + size; }
        for size in [depth, 2 * depth] { s = s + if size > 4 { { size } * 10 } else { size }; }
        param w: [if depth > 2 { 2 } else { 1 }] = constant(if flag { 1.0 } else { 0.5 });
        let f = linear(x, 1, init: if flag { zeros() } else { ones() }, bias: flag && small);
        let g = self::plus(x, if flag { 1.0 } else { 0.5 });
        output all = a + b + c + d + 0.0 * e + s, weights = x * w + g, f, shown = select(small, x, 0.0);
        loss mean(f) + sum(w) + mean(y);
    }
}

/// A Rust function is given numbers as they are.
fn plus(x: &Value, amount: f64) -> Value {
    x + amount
}

fn all(depth: usize, rate: f64, flag: bool, sizes: &[usize]) -> f64 {
    let net = Conditions::new(depth, rate, flag, sizes.to_vec()).optimizer(sgd(0.1)).build();
    let net = net.unwrap_or_else(|error| panic!("{error}"));
    net.forward_all(&[[1.0, 2.0]]).expect("outputs").get("all").expect("a number").to_f64_vec()[0]
}

#[test]
fn conditions_are_decided_when_the_network_is_built() {
    // a, b, c, d, then the sizes as they are and [depth, 2·depth], ten times where above 4.
    assert_eq!(all(3, 0.1, true, &[5, 7]), 2.0 + 10.0 + 200.0 + 1000.0 + 12.0 + 63.0);
    assert_eq!(all(2, 0.9, true, &[5]), 3.0 + 10.0 + 100.0 + 2000.0 + 5.0 + 6.0);
    assert_eq!(all(2, 0.1, false, &[]), 1.0 + 10.0 + 100.0 + 2000.0 + 6.0);
    assert_eq!(all(6, 0.9, false, &[1, 2]), 1.0 + 20.0 + 200.0 + 1000.0 + 3.0 + 180.0);
    // The right side is not looked at where the left one decides: 10 / 0 is a mistake.
    assert_eq!(all(1, 0.1, true, &[]), 3.0 + 10.0 + 200.0 + 2000.0 + 3.0);
    let refused =
        Conditions::new(1, 0.1, false, vec![]).declaration(Mode::Infer).expect_err("a division by 0");
    assert!(refused.to_string().contains("which is 0"), "{refused}");
}

#[test]
fn storages_and_initialisers_follow_conditions() {
    let net = |depth, flag| Conditions::new(depth, 0.1, flag, vec![]);
    assert_eq!(storages(&net(3, true)), ["w: [2]", "f.weight: [2, 1]"]);
    assert_eq!(storages(&net(2, true)), ["w: [1]", "f.weight: [2, 1]", "f.bias: [1]"]);
    let built = net(3, false).optimizer(sgd(0.1)).build().expect("a network");
    assert_eq!(built.parameter("w").expect("w").to_f64_vec(), [0.5, 0.5]);
    assert_eq!(built.parameter("f.weight").expect("a weight").to_f64_vec(), [1.0, 1.0]);
    let outputs = built.forward_all(&[[1.0, 2.0]]).expect("outputs");
    assert_eq!(outputs.get("weights").expect("x·w + x + ½").to_f64_vec(), [2.0, 3.5]);
    assert_eq!(outputs.get("shown").expect("zeros").to_f64_vec(), [0.0, 0.0]);
}

network! {
    layer either(x: [batch, n], deep) {
        if deep { linear(relu(linear(x, 3)), 3) } else { linear(x, 3) }
    }

    layer mixed(x: [batch, n], other: [batch, m], turn) {
        shared g = linear(3);
        if turn == 0 { g(x) } else { g(other) }
    }

    /// What the check must let pass: parameters by name behind an open choice, and instances used first in a branch.
    pub Open(deep: bool, turn: usize) {
        input  x: [batch, 2];
        input  z: [batch, 5];
        target y: [batch, 3];
        let h = linear(either(x, deep), 4);
        shared d = linear(3);
        let a = if deep { d(x) } else { d(h) };
        let b = mixed(x, z, turn);
        let c = if deep { x } else { linear(x, 4) };
        let e = linear(c, 3);
        shared s = either;
        let f = s(x, false) + s(x, deep == false && deep) + s(x, deep && !deep);
        output p = linear(h, 3) + a + b + e + f;
        loss main = squared_error(p, y) + 0.1 * squares(if deep { h.0.1.weight } else { h.0.weight }) + squares(h.1.weight) + squares(e.weight);
    }
}

#[test]
fn what_fits_for_some_arguments_is_not_refused() {
    assert_eq!(declared(&Open::new(true, 0)).graph.storages.len(), 6 + 2 + 2 + 2 + 2 + 2);
    assert_eq!(declared(&Open::new(false, 1)).graph.storages.len(), 4 + 2 + 2 + 4 + 2 + 2);
}

network! {
    /// Conditions that only arguments refuse.
    pub Late(depth: usize, units: usize) {
        input  x: [batch, 3];
        target y: [batch, 3];
        let h = if depth > 1 { linear(x, units) } else { x };
        output p = h + x;
        loss squared_error(linear(p, 3), y);
    }

    layer apart(x: [batch, n], wide) {
        if wide { linear(x, 3) } else { linear(linear(x, 3), 3) }
    }

    /// One instance whose uses differ in what they need.
    pub Apart(first: bool, second: bool) {
        input  x: [batch, 3];
        target y: [batch, 3];
        shared g = apart;
        output p = g(x, first) + g(x, second);
        loss squared_error(p, y);
    }
}

#[test]
fn what_only_arguments_decide_is_refused_when_built() {
    assert!(Late::new(1, 9).declaration(Mode::Train).is_ok());
    assert!(Late::new(2, 3).declaration(Mode::Train).is_ok());
    let refused = Late::new(2, 4).declaration(Mode::Train).expect_err("4 beside 3").to_string();
    assert!(refused.contains("tests/conditions.rs:"), "{refused}");
    assert!(Apart::new(true, true).declaration(Mode::Train).is_ok());
    assert!(Apart::new(false, false).declaration(Mode::Train).is_ok());
    let refused =
        Apart::new(true, false).declaration(Mode::Train).expect_err("one layer, then two").to_string();
    assert!(refused.contains("needs `weight`, which its first has not"), "{refused}");
}

network! {
    layer tower(x: [batch, n], widths, last) -> [batch, last] {
        let h = x;
        for width in widths {
            h = if width == 0 { h } else { linear(h, width, bias: width != last) };
        }
        linear(h, last)
    }

    layer either_way(x: [batch, n], wide, start) -> [_, n] {
        param scale: [if wide { n } else { 1 }] = constant(start);
        let y = if wide && n > 2 { x * scale } else if !wide { x * scale } else { x };
        y
    }

    /// Conditions and lists handed on to layers, in shapes, in loops of loops, in outputs and losses.
    pub Handed(widths: Vec<usize>, wide: bool, start: f64, turns: usize) {
        input  x: [batch, 6];
        target y: [batch, 2];
        let parts = if wide { reshape(x, [batch, if turns > 1 { 3 } else { 2 }, if turns > 1 { 2 } else { 3 }]) } else { x };
        let a = tower(x, widths, if wide { 2 } else { 2 });
        let b = tower(x, [4, turns], 2);
        let c = either_way(x, wide, start);
        shared t = tower(widths, 2);
        let d = if turns > 0 { t(x) } else { b };
        for outer in 0..turns {
            for inner in [2, 4] {
                let e = linear(c, inner, bias: outer == 1 && inner > 2);
                c = c + linear(e, 6) * if outer == 0 { 1.0 } else { start };
            }
        }
        output p = a + b + d + 0.0 * linear(c, 2), q = if wide { mean(parts) } else { sum(parts) };
        loss squared_error(p, y) + if wide { 1e-3 * squares(c.0.1.weight) } else { 0.0 };
    }
}

#[test]
fn conditions_and_lists_are_handed_on() {
    for (widths, wide, turns) in [(vec![3, 0, 2], true, 2), (vec![], true, 1), (vec![5, 5, 5], true, 3)] {
        let net = Handed::new(widths, wide, 0.5, turns).optimizer(sgd(0.01)).build();
        let mut net = net.unwrap_or_else(|error| panic!("{error}"));
        net.step(&[[1.0_f32; 6]], &[[1.0_f32; 2]]).expect("a step");
    }
    let named = storages(&Handed::new(vec![3, 0, 2], true, 0.5, 2));
    for name in
        ["a.h.0.weight: [6, 3]", "a.h.0.bias: [3]", "a.h.2.weight: [3, 2]", "e.1.1.bias: [4]", "c.scale: [6]"]
    {
        assert!(named.contains(&name.to_owned()), "{name} of {named:?}");
    }
    assert!(
        !named.iter().any(|name| name.starts_with("a.h.2.bias") || name.starts_with("e.0.0.bias")),
        "{named:?}"
    );

    // Without a loop there is no parameter of that name, and without that term nobody asks for it.
    let refused = Handed::new(vec![], true, 0.5, 0).declaration(Mode::Train).expect_err("no `c.0.1.weight`");
    assert!(refused.to_string().contains("no parameter is called `c.0.1.weight`"), "{refused}");
    assert!(Handed::new(vec![], false, 0.5, 0).declaration(Mode::Train).is_ok());
}
