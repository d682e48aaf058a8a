//! The corners of the semantics at the head of `op.rs`, as the interpreter has them.

mod support;

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::{Binary, Compare, Op, Range, Reduction, Unary};
use downhill_graph::random::random_bits;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape};
use support::{binary, environment, input_of, unary};

fn run(graph: &Graph, id: NodeId, environment: &Environment, precision: Precision) -> Tensor {
    let mut graph = graph.clone();
    graph.results = vec![(Purpose::Output("y".into()), id)];
    interpret(&graph, environment, precision).expect("runs").remove(0).1
}

/// `op` of one-dimensional tensors.
fn apply(op: Op, operands: &[Tensor]) -> Tensor {
    let mut graph = Graph::new();
    let ids: Vec<NodeId> =
        operands.iter().map(|t| input_of(&mut graph, t.element(), [Dim::from(t.len())])).collect();
    let y = graph.add(op, &ids);
    run(&graph, y, &environment(operands), Precision::F32)
}

#[test]
fn integers_wrap() {
    let extremes = Tensor::from([i32::MAX, i32::MIN, 46_341]);
    let added = apply(Op::Binary(Binary::Add), &[extremes.clone(), Tensor::from([1, -1, 0])]);
    assert_eq!(added.as_i32().expect("i32"), [i32::MIN, i32::MAX, 46_341]);
    let product = apply(Op::Binary(Binary::Mul), &[extremes.clone(), extremes.clone()]);
    assert_eq!(product.as_i32().expect("i32"), [1, 0, 46_341_i32.wrapping_mul(46_341)]);
    assert_eq!(
        apply(Op::Unary(Unary::Abs), std::slice::from_ref(&extremes)).as_i32().expect("i32")[1],
        i32::MIN
    );
    let negative = apply(Op::Unary(Unary::Neg), &[Tensor::from([1_u32, 0])]);
    assert_eq!(negative.as_u32().expect("u32"), [u32::MAX, 0]);
    let shifted = apply(Op::Binary(Binary::ShiftRight), &[Tensor::from([-1, 8]), Tensor::from([28, 33])]);
    assert_eq!(shifted.as_i32().expect("i32"), [15, 4]);
    let not = apply(Op::Unary(Unary::Not), &[Tensor::from([0_u32])]);
    assert_eq!(not.as_u32().expect("u32"), [u32::MAX]);
}

#[test]
fn conversions_saturate() {
    let x = Tensor::from([1e20_f32, -1e20, f32::NAN, -2.9, 2.9]);
    let integers = apply(Op::Convert(ElementType::I32), std::slice::from_ref(&x));
    assert_eq!(integers.as_i32().expect("i32"), [i32::MAX, i32::MIN, 0, -2, 2]);
    let unsigned = apply(Op::Convert(ElementType::U32), std::slice::from_ref(&x));
    assert_eq!(unsigned.as_u32().expect("u32"), [u32::MAX, 0, 0, 0, 2]);
    let truth = apply(Op::Convert(ElementType::Bool), &[Tensor::from([0.0_f32, -0.0, f32::NAN, 0.5])]);
    assert_eq!(truth.as_bool().expect("bool"), [false, false, true, true]);
    let numbers = apply(Op::Convert(ElementType::F32), &[Tensor::from([true, false])]);
    assert_eq!(numbers.as_f32().expect("f32"), [1.0, 0.0]);
    let same_bits = apply(Op::Convert(ElementType::U32), &[Tensor::from([-1])]);
    assert_eq!(same_bits.as_u32().expect("u32"), [u32::MAX]);
}

#[test]
fn nan_passes_and_compares_false() {
    let (x, y) = (Tensor::from([f32::NAN, 1.0]), Tensor::from([1.0, f32::NAN]));
    for function in [Binary::Max, Binary::Min] {
        assert!(
            apply(Op::Binary(function), &[x.clone(), y.clone()])
                .as_f32()
                .expect("f32")
                .iter()
                .all(|v| v.is_nan())
        );
    }
    for comparison in
        [Compare::Equal, Compare::Less, Compare::LessEqual, Compare::Greater, Compare::GreaterEqual]
    {
        let compared = apply(Op::Compare(comparison), &[x.clone(), y.clone()]);
        assert_eq!(compared.as_bool().expect("bool"), [false, false]);
    }
    let different = apply(Op::Compare(Compare::NotEqual), &[x, y]);
    assert_eq!(different.as_bool().expect("bool"), [true, true]);
    let sign = apply(Op::Unary(Unary::Sign), &[Tensor::from([f32::NAN, -0.0, -3.0, 0.5])]);
    assert!(sign.as_f32().expect("f32")[0].is_nan());
    assert_eq!(sign.as_f32().expect("f32")[1..], [0.0, -1.0, 1.0]);
    let greatest =
        apply(Op::Reduce { kind: Reduction::Max, axes: vec![0] }, &[Tensor::from([1.0, f32::NAN, 2.0])]);
    assert!(greatest.item().expect("one").is_nan());
    let finite = apply(Op::Unary(Unary::IsFinite), &[Tensor::from([f32::NAN, f32::INFINITY, 1.0])]);
    assert_eq!(finite.as_bool().expect("bool"), [false, false, true]);
}

#[test]
fn reductions_of_nothing_and_first_of_equals() {
    let fold = |kind, empty: Tensor| apply(Op::Reduce { kind, axes: vec![0] }, &[empty]).item().expect("one");
    let (floats, integers) = (|| Tensor::from(Vec::<f32>::new()), || Tensor::from(Vec::<i32>::new()));
    assert_eq!(fold(Reduction::Sum, floats()), 0.0);
    assert_eq!(fold(Reduction::Max, floats()), f64::NEG_INFINITY);
    assert_eq!(fold(Reduction::Min, floats()), f64::INFINITY);
    assert_eq!(fold(Reduction::Max, integers()), f64::from(i32::MIN));
    assert_eq!(fold(Reduction::Min, integers()), f64::from(i32::MAX));
    let arg_max = |x: &[f32]| apply(Op::ArgMax { axis: 0 }, &[Tensor::from(x)]).item().expect("one");
    assert_eq!(arg_max(&[1.0, 3.0, 3.0]), 1.0);
    assert_eq!(arg_max(&[1.0, f32::NAN, 9.0, f32::NAN]), 1.0);
}

/// `op` of a tensor of any shape.
fn apply_to(op: Op, x: &Tensor) -> Tensor {
    let mut graph = Graph::new();
    let shape = Shape(x.shape().iter().map(|&size| Dim::from(size)).collect());
    let id = input_of(&mut graph, x.element(), shape);
    let y = graph.add(op, &[id]);
    run(&graph, y, &environment(std::slice::from_ref(x)), Precision::F32)
}

#[test]
fn cumulative_sums_follow_their_axis() {
    let sums = |x: &Tensor, axis| apply_to(Op::CumulativeSum { axis }, x);
    // As PyTorch's `cumsum`.
    let x = Tensor::new([2, 3], vec![1_i32, 2, 3, 4, 5, 6]).expect("six");
    assert_eq!(sums(&x, 0).as_i32().expect("i32"), [1, 2, 3, 5, 7, 9]);
    assert_eq!(sums(&x, 1).as_i32().expect("i32"), [1, 3, 6, 4, 9, 15]);
    let deep = Tensor::new([2, 2, 1, 2], (1..=8).map(|x| x as f32).collect::<Vec<_>>()).expect("eight");
    assert_eq!(sums(&deep, 0).as_f32().expect("f32"), [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    assert_eq!(sums(&deep, 1).as_f32().expect("f32"), [1.0, 2.0, 4.0, 6.0, 5.0, 6.0, 12.0, 14.0]);
    assert_eq!(sums(&deep, 2), deep);
    assert_eq!(sums(&deep, 3).as_f32().expect("f32"), [1.0, 3.0, 3.0, 7.0, 5.0, 11.0, 7.0, 15.0]);

    // Integers wrap; nothing has no sums.
    let wrapped = sums(&Tensor::from([i32::MAX, 1, -1]), 0);
    assert_eq!(wrapped.as_i32().expect("i32"), [i32::MAX, i32::MIN, i32::MAX]);
    assert_eq!(sums(&Tensor::from([u32::MAX, 2]), 0).as_u32().expect("u32"), [u32::MAX, 1]);
    for (shape, axis) in [([0, 3], 0), ([0, 3], 1), ([3, 0], 0), ([3, 0], 1)] {
        let nothing = Tensor::new(shape, Vec::<f32>::new()).expect("none");
        assert_eq!(sums(&nothing, axis), nothing);
    }

    // What is not finite stays so, each row by itself.
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let broken = Tensor::new([3, 3], vec![1.0, inf, 2.0, inf, -inf, 0.0, nan, 1.0, 2.0]).expect("nine");
    let found = sums(&broken, 1);
    let found = found.as_f32().expect("f32");
    assert_eq!(found[..4], [1.0, inf, inf, inf]);
    assert!(found[4..].iter().all(|x| x.is_nan()));
}

#[test]
fn cumulative_sums_of_other_things_are_refused() {
    let mut graph = Graph::new();
    let mask = input_of(&mut graph, ElementType::Bool, [Dim::from(3)]);
    let scalar = input_of(&mut graph, ElementType::F32, Shape(Vec::new()));
    let matrix = input_of(&mut graph, ElementType::F32, [Dim::from(3), Dim::symbol("n")]);
    let mistake = |axis, x| {
        graph.infer(&Op::CumulativeSum { axis }, &[x]).map(|ty| ty.to_string()).map_err(|error| error.message)
    };
    assert_eq!(mistake(1, matrix), Ok("f32[3, n]".into()));
    assert_eq!(mistake(2, matrix), Err("axes [2] of rank 2".into()));
    assert_eq!(mistake(0, scalar), Err("axes [0] of rank 0".into()));
    assert_eq!(mistake(0, mask), Err("a cumulative sum of bool (convert it first)".into()));
}

/// `op` of a tensor and of indices.
fn apply_by(op: Op, x: &Tensor, indices: &Tensor) -> Tensor {
    let mut graph = Graph::new();
    let operands = [x, indices].map(|x| {
        let shape = Shape(x.shape().iter().map(|&size| Dim::from(size)).collect());
        input_of(&mut graph, x.element(), shape)
    });
    let y = graph.add(op, &operands);
    run(&graph, y, &environment(&[x.clone(), indices.clone()]), Precision::F32)
}

#[test]
fn elements_are_found_by_index() {
    let gather = |axis, batch, x: &Tensor, at: &Tensor| apply_by(Op::Gather { axis, batch }, x, at);
    let x = Tensor::new([3, 2], vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("six");
    let pairs = Tensor::new([2, 2], vec![2, 0, 1, 2]).expect("four");
    let rows = gather(0, 0, &x, &pairs);
    assert_eq!(rows.shape(), [2, 2, 2]);
    assert_eq!(rows.as_f32().expect("f32"), [5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let columns = gather(1, 0, &x, &Tensor::from([1, 1, 0]));
    assert_eq!(columns.shape(), [3, 3]);
    assert_eq!(columns.as_f32().expect("f32"), [2.0, 2.0, 1.0, 4.0, 4.0, 3.0, 6.0, 6.0, 5.0]);
    let picked = gather(1, 1, &x, &Tensor::from([1, 0, 1]));
    assert_eq!((picked.shape(), picked.as_f32().expect("f32")), (&[3][..], &[2.0, 3.0, 6.0][..]));

    // The nearest index inside stands for one outside; no index finds nothing.
    let outside = gather(0, 0, &x, &Tensor::from([-7, i32::MAX]));
    assert_eq!(outside.as_f32().expect("f32"), [1.0, 2.0, 5.0, 6.0]);
    let none = gather(0, 0, &x, &Tensor::from(Vec::<i32>::new()));
    assert_eq!(none.shape(), [0, 2]);
    let scalar = Tensor::new(Vec::<usize>::new(), vec![1]).expect("one");
    assert_eq!(gather(0, 0, &x, &scalar).as_f32().expect("f32"), [3.0, 4.0]);
    let masks = gather(0, 0, &Tensor::from([true, false]), &Tensor::from([1, 0, 1]));
    assert_eq!(masks.as_bool().expect("bool"), [false, true, false]);
}

#[test]
fn updates_are_added_by_index() {
    let add = |(axis, batch, size): (usize, usize, i64), updates: &Tensor, at: &Tensor| {
        apply_by(Op::ScatterAdd { axis, batch, size: size.into() }, updates, at)
    };
    let updates = Tensor::new([4, 2], (1..=8).map(|x| x as f32).collect::<Vec<_>>()).expect("eight");
    let rows = add((0, 0, 3), &updates, &Tensor::from([2, 0, 2, 9]));
    assert_eq!(rows.as_f32().expect("f32"), [3.0, 4.0, 0.0, 0.0, 13.0, 16.0]);
    let picked = add((1, 1, 3), &Tensor::from([1.0_f32, 2.0]), &Tensor::from([2, 0]));
    assert_eq!(picked.as_f32().expect("f32"), [0.0, 0.0, 1.0, 2.0, 0.0, 0.0]);
    let counts = add((0, 0, 2), &Tensor::from([1, 1, 1]), &Tensor::from([1, 1, 0]));
    assert_eq!(counts.as_i32().expect("i32"), [1, 2]);
    let nothing = add((0, 0, 2), &Tensor::from(Vec::<f32>::new()), &Tensor::from(Vec::<i32>::new()));
    assert_eq!(nothing.as_f32().expect("f32"), [0.0, 0.0]);
}

#[test]
fn lookups_that_do_not_fit_are_refused() {
    let mut graph = Graph::new();
    let n = || Dim::symbol("n");
    let x = input_of(&mut graph, ElementType::F32, [n(), Dim::from(3)]);
    let at = input_of(&mut graph, ElementType::I32, [n()]);
    let other = input_of(&mut graph, ElementType::I32, [Dim::from(5)]);
    let floats = input_of(&mut graph, ElementType::F32, [n()]);
    let mask = input_of(&mut graph, ElementType::Bool, [n()]);
    let ty = |op: Op, operands: [NodeId; 2]| {
        graph.infer(&op, &operands).map(|ty| ty.to_string()).map_err(|error| error.message)
    };
    let gather = |axis, batch| Op::Gather { axis, batch };
    let scatter = |axis, batch| Op::ScatterAdd { axis, batch, size: 7.into() };
    assert_eq!(ty(gather(0, 0), [x, other]), Ok("f32[5, 3]".into()));
    assert_eq!(ty(gather(1, 1), [x, at]), Ok("f32[n]".into()));
    assert_eq!(ty(gather(0, 0), [x, floats]), Err("indices of f32".into()));
    assert_eq!(ty(gather(2, 0), [x, at]), Err("axes [2] of rank 2".into()));
    assert_eq!(ty(gather(0, 1), [x, at]), Err("1 axes before axis 0 shared by f32[n, 3] and i32[n]".into()));
    let differ = Err("f32[n, 3] and i32[5] differ in the first 1 axes".into());
    assert_eq!(ty(gather(1, 1), [x, other]), differ);
    assert_eq!(ty(scatter(0, 0), [x, at]), Ok("f32[7, 3]".into()));
    assert_eq!(ty(scatter(1, 1), [floats, at]), Ok("f32[n, 7]".into()));
    assert_eq!(ty(scatter(0, 0), [mask, at]), Err("a sum of bool (convert it first)".into()));
    let no_element = "f32[n, 3] has no element for each of i32[5] from axis 0 on";
    assert_eq!(ty(scatter(0, 0), [x, other]), Err(no_element.into()));
}

#[test]
fn an_axis_without_elements_has_no_index() {
    let mut graph = Graph::new();
    let x = input_of(&mut graph, ElementType::F32, [Dim::symbol("n"), Dim::from(2)]);
    let at = input_of(&mut graph, ElementType::I32, [Dim::symbol("m")]);
    let y = graph.add(Op::Gather { axis: 0, batch: 0 }, &[x, at]);
    let size = Dim::symbol("n");
    graph.add(Op::ScatterAdd { axis: 0, batch: 0, size }, &[y, at]);
    let check = |n: i64, m: i64| {
        let sizes = [("n".into(), n), ("m".into(), m)].into();
        downhill_graph::sizes::check(&graph, &sizes).map_err(|error| error.message)
    };
    assert_eq!(check(3, 4), Ok(()));
    assert_eq!(check(0, 0), Ok(()));
    assert_eq!(check(0, 1), Err("elements are looked up in an axis without elements".into()));
    let most = "2147483648 elements that are looked up by index are more than 2³¹ − 1";
    assert_eq!(check(1 << 30, 1), Err(most.into()));
}

#[test]
fn functions_are_stable_far_out() {
    let x = Tensor::from([-1e4_f32, 1e4, f32::NEG_INFINITY, f32::INFINITY]);
    let softplus = apply(Op::Unary(Unary::Softplus), std::slice::from_ref(&x));
    assert_eq!(softplus.as_f32().expect("f32"), [0.0, 1e4, 0.0, f32::INFINITY]);
    let logistic = apply(Op::Unary(Unary::Logistic), std::slice::from_ref(&x));
    assert_eq!(logistic.as_f32().expect("f32"), [0.0, 1.0, 0.0, 1.0]);
    assert!(apply(Op::Unary(Unary::Softplus), &[Tensor::from([f32::NAN])]).item().expect("one").is_nan());
    let powers = apply(
        Op::Binary(Binary::Pow),
        &[Tensor::from([f32::NAN, 1.0, 0.0]), Tensor::from([0.0, f32::NAN, -1.0])],
    );
    assert_eq!(powers.as_f32().expect("f32"), [1.0, 1.0, f32::INFINITY]);
}

#[test]
fn precision_rounds_or_does_not() {
    let mut graph = Graph::new();
    let x = input_of(&mut graph, ElementType::F32, [Dim::from(1)]);
    let third = graph.full_like(x, 3.0);
    let y = binary(&mut graph, Binary::Div, x, third);
    let at = environment(&[Tensor::from([1.0_f32])]);
    assert_eq!(run(&graph, y, &at, Precision::F32).as_f32().expect("f32"), [1.0_f32 / 3.0]);
    assert_eq!(run(&graph, y, &at, Precision::F64).as_f64().expect("f64"), [1.0 / 3.0]);
}

#[test]
fn sizes_follow_from_shapes_and_must_agree() {
    let n = Dim::symbol("n");
    let mut graph = Graph::new();
    let x = input_of(&mut graph, ElementType::F32, Shape(vec![&(&Dim::from(2) * &n) + &Dim::from(1)]));
    let y = input_of(&mut graph, ElementType::F32, [n.clone()]);
    let size = graph.add(Op::DimValue { dim: n.clone(), element: ElementType::F32 }, &[]);
    let range = Range { start: n.clone(), end: &n + &Dim::from(1), stride: 1 };
    let middle = graph.add(Op::Slice(vec![range]), &[x]);
    let twice = unary(&mut graph, Unary::Exp, y);
    graph.results =
        [size, middle, twice].map(|id| (Purpose::Output(format!("{}", id.index()).into()), id)).to_vec();
    let given =
        |x: usize, y: usize| environment(&[Tensor::from(vec![0.5_f32; x]), Tensor::from(vec![0.5_f32; y])]);
    let results = interpret(&graph, &given(5, 2), Precision::F32).expect("runs");
    assert_eq!(results[0].1.item(), Ok(2.0));
    assert_eq!(results[1].1.item(), Ok(0.5));
    let error = interpret(&graph, &given(5, 3), Precision::F32).expect_err("a contradiction");
    assert_eq!(error.message, "`x1` has an axis of size 3, expected 2");
    assert!(interpret(&graph, &given(4, 2), Precision::F32).is_err());
    let error = interpret(&graph, &Environment::new(), Precision::F32).expect_err("nothing given");
    assert_eq!(error.message, "input `x0` is not given");
    let wrong = environment(&[Tensor::from([1_i32, 2, 3]), Tensor::from([1.0_f32])]);
    assert!(
        interpret(&graph, &wrong, Precision::F32)
            .expect_err("wrong type")
            .message
            .contains("expected f32[3]")
    );
}

#[test]
fn random_bits_are_threefry_by_element() {
    let mut graph = Graph::new();
    let bits = graph.add(Op::RandomBits { stream: 3, shape: [2, 2].into() }, &[]);
    let mut at = Environment::new();
    (at.seed, at.step) = (7, 11);
    let expected: Vec<u32> = (0..4).map(|element| random_bits(7, 11, 3, element)).collect();
    assert_eq!(run(&graph, bits, &at, Precision::F32).as_u32().expect("u32"), expected);
}

#[test]
fn far_arguments_and_tails_are_exact() {
    let close = |function: Unary, x: f64, exact: f64| {
        let mut graph = Graph::new();
        let operand = input_of(&mut graph, ElementType::F32, [Dim::from(1)]);
        let y = graph.add(Op::Unary(function), &[operand]);
        let found = run(&graph, y, &environment(&[Tensor::from([x])]), Precision::F64).to_f64_vec()[0];
        assert!((found / exact - 1.0).abs() < 1e-12, "{function:?} {x:e}: {found:e}, not {exact:e}");
    };
    close(Unary::Sin, 1e7, 0.420_547_793_190_782_5);
    close(Unary::Cos, 16_367_173.0 * 72f64.exp2(), -1.614_769_798_247_621_2e-9);
    close(Unary::Sin, f64::from(f32::MAX), -0.521_876_523_333_658_5);
    close(Unary::NormalCdf, -13.0, 6.117_164_399_549_88e-39);
    close(Unary::Bell, -13.0, 2.005_008_781_961_654e-37);
}
