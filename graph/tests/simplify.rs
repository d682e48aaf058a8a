//! Each simplification has a case here, and what must not be simplified too.

mod support;

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary, Window};
use downhill_graph::passes::{bind, eliminate_dead, erase_gradient_markers, optimize, simplify};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape};
use support::{Numbers, binary, environment, input, input_of, show, unary, value};

/// The formula of the only result after `simplify`.
fn simplified(build: impl Fn(&mut Graph) -> NodeId) -> String {
    let mut graph = Graph::new();
    let result = build(&mut graph);
    graph.results.push((Purpose::Output("y".into()), result));
    let simple = simplify(&graph);
    assert_eq!(simple, simplify(&simple), "simplifying again changes nothing");
    show(&simple, simple.results[0].1)
}

/// As [`simplified`], of two inputs `x0` and `x1` of two elements each.
fn of_two(build: impl Fn(&mut Graph, NodeId, NodeId) -> NodeId) -> String {
    simplified(|graph| {
        let (x, y) = (input(graph, &[2]), input(graph, &[2]));
        build(graph, x, y)
    })
}

fn constant(graph: &mut Graph, like: NodeId, value: f64) -> NodeId {
    graph.full_like(like, value)
}

#[test]
fn neutral_elements() {
    let with = |function, value: f64, constant_first: bool| {
        of_two(move |graph, x, _| {
            let c = constant(graph, x, value);
            if constant_first { binary(graph, function, c, x) } else { binary(graph, function, x, c) }
        })
    };
    assert_eq!(with(Binary::Add, 0.0, false), "x0");
    assert_eq!(with(Binary::Add, 0.0, true), "x0");
    assert_eq!(with(Binary::Sub, 0.0, false), "x0");
    assert_eq!(with(Binary::Sub, 0.0, true), "neg(x0)");
    assert_eq!(with(Binary::Mul, 1.0, false), "x0");
    assert_eq!(with(Binary::Mul, 1.0, true), "x0");
    assert_eq!(with(Binary::Mul, -1.0, true), "neg(x0)");
    assert_eq!(with(Binary::Div, 1.0, false), "x0");
    assert_eq!(with(Binary::Div, -1.0, false), "neg(x0)");
    assert_eq!(with(Binary::Pow, 1.0, false), "x0");
    assert_eq!(with(Binary::Pow, 0.0, false), "spread(1)");
    assert_eq!(with(Binary::Pow, 2.0, false), "mul(x0, x0)");
    assert_eq!(with(Binary::Pow, 3.0, false), "mul(mul(x0, x0), x0)");
    assert_eq!(with(Binary::Pow, -1.0, false), "div(spread(1), x0)");
}

#[test]
fn what_nan_and_infinity_forbid_stays() {
    let zero_times = of_two(|graph, x, _| {
        let zero = constant(graph, x, 0.0);
        binary(graph, Binary::Mul, x, zero)
    });
    assert_eq!(zero_times, "mul(x0, spread(0))");
    assert_eq!(of_two(|graph, x, _| binary(graph, Binary::Sub, x, x)), "sub(x0, x0)");
    assert_eq!(of_two(|graph, x, _| binary(graph, Binary::Div, x, x)), "div(x0, x0)");
    let there_and_back = of_two(|graph, x, _| {
        let (huge, tiny) = (constant(graph, x, 1e30), constant(graph, x, 1e-30));
        let up = binary(graph, Binary::Mul, x, huge);
        binary(graph, Binary::Mul, up, tiny)
    });
    assert_eq!(
        there_and_back,
        "mul(mul(x0, spread(1000000000000000000000000000000)), spread(0.000000000000000000000000000001))"
    );
}

/// What a value was cut into comes back as gradients with zeros around them.
#[test]
fn pieces_behind_each_other_are_one_value() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[2, 7]);
    let part = |graph: &mut Graph, start: i64, end: i64| {
        let columns = Range { start: start.into(), end: end.into(), stride: 1 };
        graph.add(Op::Slice(vec![Range::whole(&2.into()), columns]), &[x])
    };
    let padded = |graph: &mut Graph, x: NodeId, low: i64, high: i64| {
        let padding = Padding { low: low.into(), high: high.into(), interior: 0 };
        graph.add(Op::Pad(vec![Padding::none(), padding]), &[x])
    };
    let [a, b, c] = [(0, 2), (2, 3), (3, 7)].map(|(start, end)| part(&mut graph, start, end));
    let [a, b, c] = [a, b, c].map(|part| unary(&mut graph, Unary::Exp, part));
    let [pa, pb, pc] =
        [(a, 0, 5), (b, 2, 4), (c, 3, 0)].map(|(x, low, high)| padded(&mut graph, x, low, high));
    let outer = binary(&mut graph, Binary::Add, pc, pa);
    let all = binary(&mut graph, Binary::Add, outer, pb);
    let last = binary(&mut graph, Binary::Add, pb, pc);
    let twice = binary(&mut graph, Binary::Add, pa, pa);
    let results = [all, outer, last, twice];
    graph.results =
        results.iter().enumerate().map(|(n, &id)| (Purpose::Output(n.to_string().into()), id)).collect();

    let simple = optimize(&graph);
    let ops: Vec<&Op> = simple.results.iter().map(|(_, id)| simple.op(*id)).collect();
    assert_eq!(ops[0], &Op::Concatenate { axis: 1 });
    assert_eq!(simple.operands(simple.results[0].1).len(), 3);
    assert!(matches!(ops[1], Op::Binary(Binary::Add)), "there is a gap between them");
    assert!(matches!(ops[2], Op::Pad(_)));
    assert!(!matches!(ops[3], Op::Concatenate { .. } | Op::Pad(_)), "they overlap");
    let values: Vec<f64> = (0..14).map(|n| f64::from(n) / 7.0).collect();
    let at = environment(&[Tensor::new([2, 7], values).expect("14 numbers")]);
    for (number, (_, id)) in simple.results.iter().enumerate() {
        assert_eq!(value(&simple, *id, &at), value(&graph, results[number], &at), "{number}");
    }
}

#[test]
fn signs_move_outward() {
    let with_neg = |function, first: bool, second: bool| {
        of_two(move |graph, x, y| {
            let a = if first { unary(graph, Unary::Neg, x) } else { x };
            let b = if second { unary(graph, Unary::Neg, y) } else { y };
            binary(graph, function, a, b)
        })
    };
    assert_eq!(with_neg(Binary::Add, false, true), "sub(x0, x1)");
    assert_eq!(with_neg(Binary::Add, true, false), "sub(x1, x0)");
    assert_eq!(with_neg(Binary::Sub, false, true), "add(x0, x1)");
    assert_eq!(with_neg(Binary::Sub, true, false), "neg(add(x0, x1))");
    assert_eq!(with_neg(Binary::Mul, true, false), "neg(mul(x0, x1))");
    assert_eq!(with_neg(Binary::Mul, true, true), "mul(x0, x1)");
    assert_eq!(with_neg(Binary::Div, false, true), "neg(div(x0, x1))");
    let twice = of_two(|graph, x, _| {
        let negative = unary(graph, Unary::Neg, x);
        unary(graph, Unary::Neg, negative)
    });
    assert_eq!(twice, "x0");
    let of_difference = of_two(|graph, x, y| {
        let difference = binary(graph, Binary::Sub, x, y);
        unary(graph, Unary::Neg, difference)
    });
    assert_eq!(of_difference, "sub(x1, x0)");
    let in_sum = of_two(|graph, x, _| {
        let negative = unary(graph, Unary::Neg, x);
        graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[negative])
    });
    assert_eq!(in_sum, "neg(sum[0](x0))");
}

#[test]
fn views_compose_and_cancel() {
    let views = |ops: &[Op]| {
        let ops = ops.to_vec();
        simplified(move |graph| {
            let x = input(graph, &[2, 3]);
            ops.iter().fold(x, |x, op| graph.add(op.clone(), &[x]))
        })
    };
    assert_eq!(views(&[Op::Transpose(vec![1, 0]), Op::Transpose(vec![1, 0])]), "x0");
    assert_eq!(views(&[Op::Reshape([6].into()), Op::Reshape([2, 3].into())]), "x0");
    assert_eq!(views(&[Op::Reshape([6].into()), Op::Reshape([3, 2].into())]), "reshape[3, 2](x0)");
    let wide = |dims: [i64; 3], axes: [usize; 2]| Op::Broadcast { shape: dims.into(), axes: axes.into() };
    let wider = Op::Broadcast { shape: [5, 4, 2, 3].into(), axes: vec![1, 2, 3] };
    assert_eq!(views(&[wide([4, 2, 3], [1, 2]), wider]), "broadcast[2, 3](x0)");
    assert_eq!(views(&[Op::Broadcast { shape: [2, 3].into(), axes: vec![0, 1] }]), "x0");
    assert_eq!(views(&[Op::Reverse(vec![0]), Op::Reverse(vec![0])]), "x0");
    let both = [Op::Reverse(vec![0, 1]), Op::Reverse(vec![1])];
    assert_eq!(views(&both), views(&[Op::Reverse(vec![0])]));
    let reversed = [wide([4, 2, 3], [1, 2]), Op::Reverse(vec![0, 2])];
    assert_eq!(views(&reversed), views(&[Op::Reverse(vec![1]), wide([4, 2, 3], [1, 2])]));
    assert_eq!(views(&[Op::Convert(ElementType::F64)]), "x0");
    let all = |end: i64| Range { start: 0.into(), end: end.into(), stride: 1 };
    assert_eq!(views(&[Op::Slice(vec![all(2), all(3)])]), "x0");
    assert_eq!(views(&[Op::Concatenate { axis: 1 }]), "x0");
}

#[test]
fn what_a_broadcast_repeats_is_computed_once() {
    let spread = simplified(|graph| {
        let s = input(graph, &[]);
        let t = input(graph, &[]);
        let (s, t) = (graph.spread(s, &[2, 2].into()), graph.spread(t, &[2, 2].into()));
        binary(graph, Binary::Add, s, t)
    });
    assert_eq!(spread, "spread(add(x0, x1))");
    let rows = simplified(|graph| {
        let row = input(graph, &[3]);
        let wide = graph.add(Op::Broadcast { shape: [2, 3].into(), axes: vec![1] }, &[row]);
        let two = graph.full_like(wide, 2.0);
        let product = binary(graph, Binary::Mul, wide, two);
        unary(graph, Unary::Exp, product)
    });
    assert_eq!(rows, "broadcast[1](exp(mul(x0, spread(2))))");
}

#[test]
fn constants_fold_and_masks_decide() {
    let folded = of_two(|graph, x, _| {
        let (three, four) = (constant(graph, x, 3.0), constant(graph, x, 4.0));
        let seven = binary(graph, Binary::Add, three, four);
        let mask = graph.add(Op::Compare(Compare::Greater), &[seven, four]);
        let sevens = binary(graph, Binary::Mul, x, seven);
        graph.add(Op::Select, &[mask, sevens, x])
    });
    assert_eq!(folded, "mul(x0, spread(7))");
    let same = of_two(|graph, x, y| {
        let mask = graph.add(Op::Compare(Compare::Less), &[x, y]);
        graph.add(Op::Select, &[mask, y, y])
    });
    assert_eq!(same, "x1");
    let inverted = of_two(|graph, x, y| {
        let mask = graph.add(Op::Compare(Compare::Less), &[x, y]);
        let not = unary(graph, Unary::Not, mask);
        graph.add(Op::Select, &[not, x, y])
    });
    assert_eq!(inverted, "select(less(x0, x1), x1, x0)");
    assert_eq!(of_two(|graph, x, _| binary(graph, Binary::Max, x, x)), "x0");
    let rounded = simplified(|graph| {
        let (a, b) = (graph.constant(ElementType::F32, 0.1), graph.constant(ElementType::F32, 0.2));
        binary(graph, Binary::Add, a, b)
    });
    assert_eq!(rounded, f64::from(0.1_f32 + 0.2_f32).to_string());
}

#[test]
fn reductions_and_products() {
    let thin = simplified(|graph| {
        let x = input(graph, &[2, 1]);
        graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![1] }, &[x])
    });
    assert_eq!(thin, "reshape[2](x0)");
    let twice = simplified(|graph| {
        let x = input(graph, &[2, 3, 4]);
        let once = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[x]);
        graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1] }, &[once])
    });
    assert_eq!(twice, "sum[0, 1, 2](x0)");
    let repeated = simplified(|graph| {
        let x = input_of(graph, ElementType::F32, [3]);
        let wide =
            graph.add(Op::Broadcast { shape: Shape(vec![Dim::symbol("n"), 3.into()]), axes: vec![1] }, &[x]);
        graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[wide])
    });
    assert_eq!(repeated, "mul(x0, spread(n))");
    let outer = simplified(|graph| {
        let (x, y) = (input(graph, &[2, 1]), input(graph, &[1, 3]));
        graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, y])
    });
    assert_eq!(outer, "mul(broadcast[0](reshape[2](x0)), broadcast[1](reshape[3](x1)))");
    let transposed = simplified(|graph| {
        let (x, y) = (input(graph, &[4, 2]), input(graph, &[4, 3]));
        let x = graph.add(Op::Transpose(vec![1, 0]), &[x]);
        let product = graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, y]);
        graph.add(Op::Transpose(vec![1, 0]), &[product])
    });
    assert_eq!(transposed, "dot[][(0, 0)](x1, x0)");
}

#[test]
fn markers_go_and_sizes_are_bound() {
    let mut graph = Graph::new();
    let x = input_of(&mut graph, ElementType::F32, [Dim::symbol("n")]);
    let stopped = graph.add(Op::StopGradient, &[x]);
    let exp = unary(&mut graph, Unary::Exp, stopped);
    let marked = graph.add(Op::Surrogate, &[exp, x]);
    graph.results.push((Purpose::Output("y".into()), marked));
    let erased = eliminate_dead(&erase_gradient_markers(&graph));
    assert_eq!(show(&erased, erased.results[0].1), "exp(x0)");
    assert_eq!(erased.len(), 2);
    let bound = bind(&erased, &Bindings::from([("n".into(), 5)]));
    assert_eq!(bound.shape(bound.results[0].1), &Shape::from([5]));
    assert_eq!(bound.inputs[0].ty.shape, Shape::from([5]));
}

#[test]
fn equal_nodes_are_one_and_dead_ones_go() {
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, &[2]), input(&mut graph, &[2]));
    let one = unary(&mut graph, Unary::Exp, x);
    let again = unary(&mut graph, Unary::Exp, x);
    assert_eq!(one, again);
    unary(&mut graph, Unary::Log, y);
    graph.results.push((Purpose::Output("y".into()), one));
    let optimized = optimize(&graph);
    assert_eq!((optimized.len(), optimized.inputs.len()), (2, 2));
}

fn reshape(graph: &mut Graph, x: NodeId, shape: &[i64]) -> NodeId {
    graph.add(Op::Reshape(Shape(shape.iter().copied().map(Dim::from).collect())), &[x])
}

#[test]
fn views_settle() {
    // Two reshaped values, of which one is transposed: neither makes the other one move.
    fn transposed(graph: &mut Graph) -> NodeId {
        let (x, y) = (input(graph, &[24]), input(graph, &[24]));
        let (x, y) = (reshape(graph, x, &[6, 4]), reshape(graph, y, &[4, 6]));
        let x = graph.add(Op::Transpose(vec![1, 0]), &[x]);
        let sum = binary(graph, Binary::Add, x, y);
        unary(graph, Unary::Exp, sum)
    }
    // An axis of one element is no axis that is merged.
    fn widened(graph: &mut Graph) -> NodeId {
        let (x, y) = (input(graph, &[2, 3]), input(graph, &[2, 1, 3]));
        let (x, y) = (unary(graph, Unary::Tanh, x), unary(graph, Unary::Exp, y));
        let x = reshape(graph, x, &[2, 1, 3]);
        binary(graph, Binary::Mul, x, y)
    }
    for build in [transposed as fn(&mut Graph) -> NodeId, widened] {
        let mut graph = Graph::new();
        let result = build(&mut graph);
        graph.results.push((Purpose::Output("y".into()), result));
        let simple = simplify(&graph);
        assert_eq!(simple, simplify(&simple));
        assert!(simple.len() <= graph.len(), "{} nodes become {}", graph.len(), simple.len());
    }
}

/// Gradients of windows over single channels: no array with an element for each tap of each place is folded.
#[test]
fn folds_of_what_is_repeated_are_sums_over_windows() {
    let fold = |axis: usize, taps: i64, stride: i64, size: i64| {
        let window = Window { axis, taps: taps.into(), stride: stride.into(), dilation: 1.into() };
        Op::Fold { window, size: size.into() }
    };
    let ops = |graph: &Graph, is: fn(&Op) -> bool| graph.ids().filter(|id| is(graph.op(*id))).count();
    let check = |build: &dyn Fn(&mut Graph) -> NodeId, tensors: &[Tensor]| {
        let mut graph = Graph::new();
        let result = build(&mut graph);
        graph.results.push((Purpose::Output("y".into()), result));
        let simple = eliminate_dead(&simplify(&graph));
        assert_eq!(ops(&simple, |op| matches!(op, Op::Fold { .. })), 0, "{}", simple.to_text());
        assert_eq!(ops(&simple, |op| matches!(op, Op::Reduce { .. })), 1, "{}", simple.to_text());
        let given = environment(tensors);
        let [before, after] =
            [(&graph, result), (&simple, simple.results[0].1)].map(|(graph, id)| value(graph, id, &given));
        assert_eq!(before, after, "{}", simple.to_text());
    };

    // [lines, taps, places, taps, channels], folded to 6 by 5 pixels of each of 2 channels, and cut.
    let mut numbers = Numbers::new(7);
    let mut whole = |shape: &[usize]| {
        let count = shape.iter().product();
        let values = (0..count).map(|_| numbers.within(-8.0, 8.0).round()).collect();
        Tensor::new(shape, values).expect("as many as the shape has")
    };
    let shape = || Shape::from([4, 3, 2, 3, 2]);
    let gradient_of_pixels = |graph: &mut Graph| {
        let (gradient, weight) = (input(graph, &[4, 2, 2]), input(graph, &[3, 3, 2]));
        let gradient = graph.add(Op::Broadcast { shape: shape(), axes: vec![0, 2, 4] }, &[gradient]);
        let weight = graph.add(Op::Broadcast { shape: shape(), axes: vec![1, 3, 4] }, &[weight]);
        let terms = binary(graph, Binary::Mul, gradient, weight);
        let lines = graph.add(fold(2, 3, 2, 5), &[terms]);
        let pixels = graph.add(fold(0, 3, 1, 6), &[lines]);
        let part = |size: i64| Range { start: 1.into(), end: (size - 1).into(), stride: 1 };
        graph.add(Op::Slice(vec![part(6), part(5), Range::whole(&2.into())]), &[pixels])
    };
    check(&gradient_of_pixels, &[whole(&[4, 2, 2]), whole(&[3, 3, 2])]);

    // Of a mean over overlapping windows.
    let gradient_of_means = |graph: &mut Graph| {
        let gradient = input(graph, &[4]);
        let wide = graph.add(Op::Broadcast { shape: [4, 3].into(), axes: vec![0] }, &[gradient]);
        graph.add(fold(0, 3, 2, 10), &[wide])
    };
    check(&gradient_of_means, &[whole(&[4])]);
}
