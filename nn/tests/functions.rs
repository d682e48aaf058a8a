//! What functions of values promise beyond PyTorch's numbers: gradients of first and second order, shapes that only a run tells, what they
//! refuse.

mod declared;
mod differences;

use declared::{input, mistake, run, shape, tensor, typed};
use differences::{Case, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::interpret::Environment;
use downhill_graph::types::ElementType::{Bool, F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::value::*;

const MATRIX: &[&[usize]] = &[&[3, 4]];

const fn case(name: &'static str, inputs: &'static [&'static [usize]], layer: fn(&[Value]) -> Value) -> Case {
    Case { name, inputs, layer }
}

fn rows() -> Over {
    Over::axes(&[1])
}

/// 300 elements: each of 12 times 25 factors.
fn in_steps(x: &Value) -> Value {
    let factors = convert(index(x.builder(), [Dim::from(25)], 0), F32) * 0.37 + 0.2;
    reshape(outer(reshape(x, [Dim::from(12)]), factors), [Dim::from(300)])
}

const CASES: &[Case] = &[
    // The third power has a second derivative where the function itself has none.
    case("clamp", MATRIX, |x| pow(clamp(&x[0] * 2.0 + 3.0, Some(2.1), Some(4.3)), 3.0)),
    case("variance", MATRIX, |x| variance(&x[0], 1.0, &rows())),
    case("standard_deviation", MATRIX, |x| standard_deviation(&x[0], 0.5, &rows())),
    case("norm", MATRIX, |x| norm(&x[0], 2.0, &rows())),
    case("norm, p 3", MATRIX, |x| norm(&x[0], 3.0, &Over::default())),
    case("norm, p -1.5", MATRIX, |x| norm(&x[0], -1.5, &rows())),
    case("norm, the greatest", MATRIX, |x| square(norm(&x[0], f64::INFINITY, &rows()))),
    case("normalize", MATRIX, |x| normalize(&x[0], 2.0, 1, 1e-12)),
    case("log_sum_exp", MATRIX, |x| log_sum_exp(&x[0] * 5.0, &rows())),
    case("tril", MATRIX, |x| square(tril(&x[0], 1))),
    case("triu", MATRIX, |x| square(triu(&x[0], -1))),
    case("diagonal", MATRIX, |x| square(diagonal(&x[0], 1, [0, 1]))),
    case("trace", &[&[3, 3]], |x| square(trace(&x[0]))),
    case("outer", &[&[3], &[2]], |x| outer(&x[0], &x[1])),
    case("flip", MATRIX, |x| square(flip(&x[0], None))),
    case("roll", MATRIX, |x| square(roll(&x[0], -3, Some(1)))),
    case("tile", MATRIX, |x| square(tile(&x[0], &[Dim::from(2), Dim::from(1)]))),
    case("repeat", MATRIX, |x| square(repeat(&x[0], 3, Some(0)))),
    case("tan", MATRIX, |x| tan(&x[0])),
    case("atan", MATRIX, |x| atan(&x[0] * 3.0)),
    case("asin", MATRIX, |x| asin(&x[0] * 0.9)),
    case("acos", MATRIX, |x| acos(&x[0] * 0.9)),
    case("atan2", &[&[3, 4], &[3, 4]], |x| atan2(&x[0], &x[1])),
    case("sinc", MATRIX, |x| sinc(&x[0] * 2.0)),
    case("sinh", MATRIX, |x| sinh(&x[0])),
    case("cosh", MATRIX, |x| cosh(&x[0])),
    case("asinh", MATRIX, |x| asinh(&x[0])),
    case("acosh", MATRIX, |x| acosh(&x[0] * 0.5 + 2.0)),
    case("atanh", MATRIX, |x| atanh(&x[0] * 0.9)),
    case("reciprocal", MATRIX, |x| reciprocal(&x[0] + 2.0)),
    case("rsqrt", MATRIX, |x| rsqrt(&x[0] + 2.0)),
    case("exp2", MATRIX, |x| exp2(&x[0])),
    case("log2", MATRIX, |x| log2(&x[0] + 2.0)),
    case("log10", MATRIX, |x| log10(&x[0] + 2.0)),
    case("hypot", &[&[3, 4], &[3, 4]], |x| hypot(&x[0], &x[1])),
    case("fract", MATRIX, |x| square(fract(&x[0] * 1.4))),
    case("lgamma", MATRIX, |x| lgamma(&x[0] * 3.0 + 3.2)),
    case("digamma", MATRIX, |x| digamma(&x[0] + 3.2)),
    case("sort", MATRIX, |x| square(sort(&x[0], 1, true))),
    case("sort, many", MATRIX, |x| square(sort(in_steps(&x[0]), 0, true))),
    case("top_k", MATRIX, |x| square(top_k(&x[0], 2, -1, false))),
    case("median", MATRIX, |x| square(median(&x[0], 1, false))),
    case("quantile", MATRIX, |x| square(quantile(&x[0], 0.4, Interpolation::Linear, 1, true))),
    case("cumprod", MATRIX, |x| cumprod(&x[0], 1)),
    case("cummax", MATRIX, |x| square(cummax(&x[0], 1))),
    case("cummin", MATRIX, |x| square(cummin(&x[0], 0))),
    case("unstack", MATRIX, |x| square(unstack(&x[0], -1, 1))),
    case("split", MATRIX, |x| square(split(&x[0], 3, 1, 1))),
    case("chunk", MATRIX, |x| square(chunk(&x[0], 2, 1, 0))),
    case("einsum", &[&[2, 3], &[3, 3]], |x| einsum(x[0].builder(), "ij,jj,ij->j", &[&x[0], &x[1], &x[0]])),
    case("stack", &[&[2, 3], &[2, 3]], |x| square(stack(x[0].builder(), &[&x[0], &x[1]], 1))),
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

#[test]
fn functions_keep_shapes_that_only_a_run_tells() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "6"]);
    let square = input(&b, "square", &["batch", "time", "time"]);
    let kept = Over { axes: Some(vec![1]), keep: true };
    assert_eq!(shape(&variance(&x, 1.0, &kept)), "[batch, 1, 6]");
    assert_eq!(shape(&standard_deviation(&x, 1.0, &Over::axes(&[0, 1]))), "[6]");
    assert_eq!(shape(&norm(&x, 2.0, &Over::default())), "[]");
    assert_eq!(shape(&normalize(&x, 2.0, -1, 1e-12)), "[batch, time, 6]");
    assert_eq!(shape(&log_sum_exp(&x, &kept)), "[batch, 1, 6]");
    assert_eq!(shape(&any(greater(&x, 0.0), &rows())), "[batch, 6]");
    assert_eq!(shape(&argmin(&x, 1)), "[batch, 6]");
    assert_eq!(shape(&tril(&square, 0)), "[batch, time, time]");
    assert_eq!(shape(&diagonal(&square, -1, [1, 2])), "[batch, time - 1]");
    assert_eq!(shape(&trace(&square)), "[batch]");
    assert_eq!(shape(&flip(&x, Some(&[1]))), "[batch, time, 6]");
    assert_eq!(shape(&roll(&x, 1, Some(1))), "[batch, time, 6]");
    assert_eq!(shape(&roll(&x, -1, Some(0))), "[batch, time, 6]");
    assert_eq!(shape(&tile(&x, &[Dim::from(2), Dim::from(1)])), "[batch, 2*time, 6]");
    assert_eq!(shape(&repeat(&x, 3, Some(0))), "[3*batch, time, 6]");
    assert_eq!(shape(&stack(&b, &[&x, &x], -1)), "[batch, time, 6, 2]");
    assert_eq!(shape(&sort(&x, 1, false)), "[batch, time, 6]");
    assert_eq!(shape(&argsort(&x, 0, false)), "[batch, time, 6]");
    assert_eq!(shape(&top_k(&x, 2, 1, true)), "[batch, 2, 6]");
    assert_eq!(shape(&median(&x, 1, false)), "[batch, 6]");
    assert_eq!(shape(&quantile(&x, 0.5, Interpolation::Linear, -1, true)), "[batch, time, 1]");
    assert_eq!(shape(&cumprod(&x, 2)), "[batch, time, 6]");
    assert_eq!(shape(&unstack(&x, -1, 1)), "[batch, 6]");
    assert_eq!(shape(&split(&x, 4, 1, 2)), "[batch, time, 2]");
    assert_eq!(shape(&chunk(concatenate(&b, &[&x, &x], 1), 2, 1, 1)), "[batch, time, 6]");
    assert_eq!(shape(&outer(sum_over(&x, &[1, 2]), sum_over(&x, &[1, 2]))), "[batch, batch]");
}

#[test]
fn functions_refuse_what_they_cannot_take() {
    let b = Builder::new(Mode::Train);
    let (x, row) = (input(&b, "x", &["batch", "4"]), input(&b, "row", &["4"]));
    let (whole, mask) = (typed(&b, "whole", I32, &["4"]), typed(&b, "mask", Bool, &["4"]));

    let floats = [
        ("variance", variance(&whole, 1.0, &Over::default())),
        ("standard_deviation", standard_deviation(&whole, 1.0, &Over::default())),
        ("norm", norm(&whole, 2.0, &Over::default())),
        ("normalize", normalize(&whole, 2.0, 0, 1e-12)),
        ("log_sum_exp", log_sum_exp(&whole, &Over::default())),
    ];
    let told = b.take_errors();
    assert_eq!(told.len(), floats.len());
    for ((name, _), error) in floats.iter().zip(&told) {
        assert_eq!(error.message, format!("`{name}` needs floats but `whole` is i32[4]"));
    }

    type Function = (&'static str, fn(&Value) -> Value);
    let of_floats: [Function; 23] = [
        ("lgamma", |x| lgamma(x)),
        ("digamma", |x| digamma(x)),
        ("tan", |x| tan(x)),
        ("atan", |x| atan(x)),
        ("asin", |x| asin(x)),
        ("acos", |x| acos(x)),
        ("atan2", |x| atan2(x, x)),
        ("sinc", |x| sinc(x)),
        ("sinh", |x| sinh(x)),
        ("cosh", |x| cosh(x)),
        ("asinh", |x| asinh(x)),
        ("acosh", |x| acosh(x)),
        ("atanh", |x| atanh(x)),
        ("reciprocal", |x| reciprocal(x)),
        ("rsqrt", |x| rsqrt(x)),
        ("exp2", |x| exp2(x)),
        ("log2", |x| log2(x)),
        ("log10", |x| log10(x)),
        ("hypot", |x| hypot(x, x)),
        ("round", |x| round(x)),
        ("trunc", |x| trunc(x)),
        ("ceil", |x| ceil(x)),
        ("fract", |x| fract(x)),
    ];
    for (name, function) in of_floats {
        let told = format!("`{name}` needs floats but `whole` is i32[4]");
        assert!(mistake(&function(&whole)).starts_with(&told), "{name}");
    }

    let of_numbers: [Function; 4] = [
        ("floor_divide", |x| floor_divide(x, x)),
        ("trunc_divide", |x| trunc_divide(x, x)),
        ("remainder", |x| remainder(x, x)),
        ("fmod", |x| fmod(x, x)),
    ];
    for (name, function) in of_numbers {
        let told = format!("`{name}` needs numbers but `mask` is a mask");
        assert!(mistake(&function(&mask)).starts_with(&told), "{name}");
    }
    assert_eq!(
        mistake(&histogram(&x, 3, 1.0, 1.0)),
        "`histogram` with a min of 1 and a max of 1\n   = help: `min` must be below `max`"
    );
    assert_eq!(mistake(&histogram(&x, 0, 0.0, 1.0)), "`histogram` of 0 bins\n   = help: it needs at least 1");
    assert!(mistake(&histogram(&whole, 2, 0.0, 1.0)).starts_with("`histogram` needs floats"));

    assert_eq!(
        mistake(&variance(&x, -1.0, &Over::default())),
        "`variance` with a correction of -1\n   = help: it must be finite and at least 0"
    );
    assert_eq!(
        mistake(&norm(&x, f64::NAN, &Over::default())),
        "`norm` with a p of NaN\n   = help: take 2, 1, another number or an infinity"
    );
    assert!(mistake(&normalize(&x, 2.0, 1, 0.0)).starts_with("`normalize` with an eps of 0"));
    assert_eq!(
        mistake(&clamp(&x, None, None)),
        "`clamp` without limits\n   = help: give it a `min` or a `max`"
    );
    assert_eq!(mistake(&clamp(&x, Some(f64::NAN), None)), "`clamp` with a `min` of NaN");
    assert!(mistake(&clamp(&mask, Some(0.0), None)).starts_with("`mask` is a mask"));
    assert!(mistake(&argmin(&mask, 0)).starts_with("`mask` is a mask"));
    assert_eq!(
        mistake(&tril(&row, 0)),
        "`tril` takes matrices, […, rows, columns], but `row` has 1 axes\n   \
         = help: `reshape` or `expand` gives it two axes or more"
    );
    assert_eq!(
        mistake(&diagonal(&x, 0, [0, 1])),
        "`diagonal` of batch by 4, of which only a run tells the lesser\n   = help: `slice` it to a square first"
    );
    assert_eq!(
        mistake(&diagonal(&x, 0, [1, -1])),
        "`diagonal` of axis 1 with itself\n   = help: name two axes"
    );
    let square = input(&b, "square", &["3", "4"]);
    assert_eq!(
        mistake(&diagonal(&square, 5, [0, 1])),
        "`diagonal` with an offset of 5, beyond 3 by 4\n   \
         = help: offsets count from the main diagonal, positive ones upwards"
    );
    assert_eq!(
        mistake(&outer(&row, &x)),
        "`outer` takes vectors, but `x` has 2 axes\n   = its shape is [batch, 4]\n   = help: `reshape` it to one axis"
    );
    assert!(mistake(&flip(&x, Some(&[1, -1]))).starts_with("an axis is named twice"));
    assert!(mistake(&roll(&x, 1, Some(2))).starts_with("`x` has no axis 2"));
    assert_eq!(mistake(&tile(&x, &[Dim::from(-1)])), "`tile` -1 times\n   = help: count from 0");
    assert_eq!(mistake(&repeat(&x, -2, None)), "`repeat` -2 times\n   = help: count from 0");
    assert_eq!(
        mistake(&stack::<Value>(&b, &[], 0)),
        "`stack` of nothing\n   = help: give it one value or more"
    );
    assert_eq!(
        mistake(&stack(&b, &[&x, &row], 0)),
        "`stack` of `x`, which is [batch, 4], and `row`, which is [4]\n   \
         = help: give all the same shape; `concatenate` takes sizes that differ along its axis"
    );
}

#[test]
fn parts_and_orders_refuse_what_they_cannot_take() {
    let b = Builder::new(Mode::Train);
    let (x, mask) = (input(&b, "x", &["batch", "5"]), typed(&b, "mask", Bool, &["4"]));
    let only_a_run = |user: &str| {
        let help = "make it an argument of the network, or a number";
        format!("`{user}` along a size of batch, which only a run can tell\n   = help: {help}")
    };
    assert_eq!(mistake(&quantile(&x, 0.5, Interpolation::Linear, 0, false)), only_a_run("quantile"));
    assert_eq!(
        mistake(&quantile(&x, 1.5, Interpolation::Linear, 1, false)),
        "`quantile` of 1.5\n   = help: a share is from 0 to 1"
    );
    let none = input(&b, "none", &["2", "0"]);
    assert_eq!(mistake(&median(&none, 1, false)), "`median` of no elements\n   = its shape is [2, 0]");
    assert_eq!(
        mistake(&top_k(&x, 6, 1, true)),
        "`top_k` of 6 elements of `x`\n   = axis 1 has 5\n   = help: take fewer"
    );
    assert!(mistake(&sort(&mask, 0, false)).starts_with("`mask` is a mask"));
    assert_eq!(
        mistake(&unstack(&x, 5, 1)),
        "`unstack` of index 5 of `x`\n   = axis 1 has 5 elements\n   = help: indices count from 0, or from -1 at the end"
    );
    assert_eq!(
        mistake(&split(&x, 2, 3, 1)),
        "`split` has no piece 3 of 5 elements by 2\n   = help: pieces count from 0: there are 3"
    );
    assert_eq!(
        mistake(&split(&x, 0, 0, 1)),
        "`split` into pieces of 0\n   = help: a piece has at least 1 element"
    );
    assert_eq!(mistake(&chunk(&x, 0, 0, 1)), "`chunk` into 0 pieces\n   = help: it needs at least 1");
    assert_eq!(
        mistake(&chunk(&x, 2, 0, 0)),
        "`chunk` divides batch into 2, which only a run can tell\n   \
         = help: make the size an argument of the network, or a number"
    );
}

#[test]
fn sizes_that_arguments_tell_are_numbers_when_the_network_is_built_and_open_before() {
    let shapes = |b: &Builder, width: Dim, height: Dim| {
        let x = b.input("x", F32, [height, width]);
        let made = [
            cumprod(&x, 1),
            cummax(&x, 1),
            quantile(&x, 0.5, Interpolation::Linear, 1, true),
            roll(&x, 9, Some(1)),
            diagonal(&x, 1, [0, 1]),
            split(&x, 3, 1, 1),
            chunk(&x, 2, 1, 1),
        ];
        made.map(|value| shape(&value).split('\'').next().unwrap_or_default().to_owned())
    };
    let b = Builder::new(Mode::Train);
    let (width, height) = (b.argument("width", 5), b.argument("height", 3));
    let built = shapes(&b, width, height);
    assert_eq!(
        built,
        [
            "[height, width]",
            "[height, width]",
            "[height, 1]",
            "[height, width]",
            "[3]",
            "[height, 2]",
            "[height, 2]"
        ]
    );

    let b = Builder::for_checking();
    let (width, height) = (b.open_argument("width"), b.open_argument("height"));
    let open = shapes(&b, width, height);
    let whole = ["[height, width]", "[height, width]", "[height, 1]", "[height, width]"];
    assert_eq!(open[..4], whole);
    assert_eq!(open[4..6], ["[diagonal", "[height, piece"]);
    let run = b.input("run", F32, [Dim::symbol("batch")]);
    assert_eq!(shape(&cumprod(&run, 0)), "[batch]");
    assert!(mistake(&chunk(&run, 2, 0, 0)).contains("which only a run can tell"));
}

/// Where only a run tells the size of the axis, a loop goes along it: to the same values and gradients.
#[test]
fn lengths_of_a_run_go_element_by_element() {
    let numbers = [1.5, -2.0, 0.0, 3.0, f64::NAN, 0.5, 0.5, 4.0, 4.0, -1.0, 2.0, 2.0, -0.5, 0.0, 1.0];
    let whole: Vec<f64> = numbers.map(|x| if x.is_nan() { 7.0 } else { x }).to_vec();
    type Along<'a> = (fn(&Value) -> Value, &'a [f64]);
    let cases: [Along<'_>; 4] = [
        (|x| cumprod(x, 0), &whole),
        (|x| cumprod(x, 1), &whole),
        (|x| cummax(x, 1), &numbers),
        (|x| cummin(x, 0), &numbers),
    ];
    for (number, (function, numbers)) in cases.into_iter().enumerate() {
        let of = |dims: [Dim; 2]| {
            let b = Builder::new(Mode::Train);
            let x = b.input("x", F32, dims);
            let y = function(&x);
            let places = convert(index(&b, y.shape().expect("known"), 1), F32);
            let environment = Environment::new().input("x", tensor(&[3, 5], numbers));
            run(b, &(y * (places + 1.0)), &[&x], &environment)
        };
        let (told, looped) = (of([3.into(), 5.into()]), of([Dim::symbol("batch"), Dim::symbol("time")]));
        let same =
            |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * a.abs().max(1.0) || a.is_nan() && b.is_nan();
        let pairs = told.iter().flatten().zip(looped.iter().flatten());
        assert!(pairs.into_iter().all(same), "case {number}: {told:?} and {looped:?}");
    }
}
