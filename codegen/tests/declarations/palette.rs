//! Every built-in of declarations: what it is given, and what is drawn.
//!
//! In: a built-in and a list of choices. Out: a declaration that calls it once, on sizes that a run brings, with its flags, words and axes drawn.
//! Must hold: all of [`composite::names`] stand in [`GIVEN`] or, with a reason, in [`NOT_DRAWN`].

use super::common::Choices;
use super::generator::Run;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::Errors;
use downhill_graph::types::ElementType::{Bool, F32, I32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::{self, Argument, Composite, Kind};
use downhill_nn::value::{gradient, mean, square, sum};

/// What stands for an argument that must be given.
#[derive(Clone, Copy)]
pub(crate) enum Given {
    /// An input whose name begins so, which says its numbers: [`number`].
    Input(&'static str, &'static [i64]),
    Number(f64),
    Whole(i64),
    Size(i64),
    Sizes(&'static [i64]),
    Text(&'static str),
}

use Given::{Input, Number, Size, Sizes, Text, Whole};

/// Sizes that a run brings.
const BATCH: i64 = -1;
const TIME: i64 = -2;

const ROWS: &[i64] = &[BATCH, 6];
const X: Given = Input("x", ROWS);
const STEPS: Given = Input("x", &[BATCH, TIME, 4]);
const IMAGE: Given = Input("x", &[BATCH, 4, 6, 5]);
const LABEL: Given = Input("label", &[BATCH]);
const INDICES: Given = Input("label", &[TIME]);

/// Names, and what each of them is given: first tensors, then what else must be given.
pub(crate) const GIVEN: &[(&str, &[Given])] = &[
    (
        "relu leaky_relu elu selu celu squared_relu prelu rrelu relu6 hard_sigmoid hard_swish hard_tanh soft_shrink hard_shrink \
         tanh_shrink gelu gelu_tanh silu mish log_sigmoid softsign softplus sigmoid tanh glu geglu swiglu softmax softmin log_softmax \
         entropy snake sine",
        &[X],
    ),
    (
        "negate exp expm1 square sin cos erf normal_cdf bell abs sign floor is_finite f32 i32 u32 stop_gradient exp2 tan atan sinc \
         sinh cosh asinh round trunc ceil fract clamp",
        &[X],
    ),
    (
        "sum mean max min squares absolutes argmax argmin cumsum any all count variance standard_deviation norm normalize log_sum_exp \
         cumprod cummax cummin sort argsort median",
        &[X],
    ),
    (
        "flatten transpose reverse slice flip tril triu normal_like uniform_like layer_norm rms_norm dropout",
        &[X],
    ),
    ("log log1p sqrt reciprocal rsqrt log2 log10 lgamma digamma", &[Input("positive", ROWS)]),
    ("asin acos atanh", &[Input("unit", ROWS)]),
    ("acosh", &[Input("above", ROWS)]),
    ("bernoulli", &[Input("share", ROWS)]),
    ("not", &[Input("mask", ROWS)]),
    ("and or", &[Input("mask", ROWS), Input("mask", ROWS)]),
    (
        "add subtract multiply equal not_equal less less_equal greater greater_equal maximum minimum hypot atan2",
        &[X, Input("x", &[6])],
    ),
    ("divide floor_divide trunc_divide remainder fmod", &[X, Input("positive", ROWS)]),
    ("pow", &[Input("positive", ROWS), X]),
    ("select", &[Input("mask", ROWS), X, X]),
    ("matmul", &[STEPS, Input("x", &[4, 3])]),
    ("einsum", &[Text("bti,ij->bjt"), STEPS, Input("x", &[4, 3])]),
    ("threshold", &[X, Number(0.25), Number(-1.0)]),
    ("drop_path", &[X, Number(0.5)]),
    ("top_k top_k_indices", &[X, Size(1)]),
    ("quantile", &[X, Number(0.3)]),
    ("histogram", &[X, Size(5), Number(-1.0), Number(1.5)]),
    ("reshape", &[STEPS, Sizes(&[TIME, 2, 2, BATCH])]),
    ("expand", &[X, Whole(1)]),
    ("concatenate stack", &[X, X]),
    ("roll", &[X, Whole(-2)]),
    ("tile", &[X, Sizes(&[2, 3])]),
    ("repeat", &[X, Size(3)]),
    ("unstack", &[STEPS, Whole(0)]),
    ("split", &[STEPS, Size(1), Whole(0)]),
    ("chunk", &[Input("x", &[4, 4]), Whole(2), Whole(1)]),
    ("diagonal", &[Input("x", &[4, 4])]),
    ("trace", &[Input("x", &[BATCH, 4, 4])]),
    ("outer", &[Input("x", &[BATCH]), Input("x", &[TIME])]),
    ("window", &[X, Size(3)]),
    ("zeros ones", &[Sizes(&[4, 6])]),
    ("full", &[Sizes(&[4, 6]), Number(-1.5)]),
    ("normal uniform", &[Sizes(&[4, 6])]),
    ("one_hot", &[LABEL, Size(3)]),
    ("take", &[Input("x", &[4, TIME, 4]), INDICES]),
    ("gather", &[X, Input("label", &[BATCH, 2])]),
    ("pick", &[X, LABEL]),
    ("scatter_add", &[Input("x", &[TIME, 4]), INDICES, Size(5)]),
    ("linear dense", &[X, Size(3)]),
    ("embedding", &[Input("label", &[BATCH, TIME]), Size(5), Size(4)]),
    ("conv conv_transpose", &[IMAGE, Size(3), Sizes(&[3, 2])]),
    ("max_pool average_pool", &[IMAGE, Sizes(&[2, 2])]),
    ("global_average_pool batch_norm instance_norm channel_dropout", &[IMAGE]),
    ("adaptive_average_pool", &[IMAGE, Sizes(&[3, 2])]),
    ("group_norm", &[IMAGE, Size(2)]),
    ("upsample upsample_linear", &[IMAGE]),
    ("pixel_shuffle", &[IMAGE, Size(2)]),
    ("pixel_unshuffle", &[Input("x", &[BATCH, 2, 6, 4]), Size(2)]),
    ("pad reflect_pad replicate_pad", &[IMAGE, Sizes(&[1, 2])]),
    ("attention", &[STEPS, Size(2)]),
    ("scaled_dot_product_attention", &[STEPS, STEPS, STEPS]),
    ("positions sinusoidal_positions", &[Size(5), Size(4)]),
    ("rotary", &[STEPS]),
    ("rnn gru lstm", &[STEPS, Size(3)]),
    ("rnn_cell gru_cell", &[X, Input("x", &[BATCH, 4])]),
    ("lstm_cell", &[X, Input("x", &[BATCH, 4]), Input("x", &[BATCH, 4])]),
    ("squared_error mse absolute_error l1 huber smooth_l1 log_cosh", &[X, X]),
    ("pinball", &[X, X, Number(0.7)]),
    ("hinge logistic logistic_loss soft_margin", &[X, Input("sign", ROWS)]),
    ("hinge_embedding", &[Input("positive", ROWS), Input("sign", ROWS)]),
    ("binary_cross_entropy", &[Input("share", ROWS), Input("share", ROWS)]),
    ("bce_with_logits multilabel_soft_margin focal", &[X, Input("share", ROWS)]),
    ("cross_entropy multi_margin", &[X, LABEL]),
    ("categorical_cross_entropy", &[Input("share", ROWS), LABEL]),
    ("nll", &[Input("below", ROWS), LABEL]),
    ("dice", &[Input("share", ROWS), Input("share", ROWS)]),
    ("poisson_nll", &[X, Input("positive", ROWS)]),
    ("gaussian_nll", &[X, X, Input("positive", ROWS)]),
    ("kl_divergence", &[Input("below", ROWS), Input("share", ROWS)]),
    ("margin_ranking", &[X, X, Input("sign", ROWS)]),
    ("cosine_embedding", &[X, X, Input("sign", &[BATCH])]),
    ("triplet_margin", &[X, X, X]),
    ("info_nce", &[X, X]),
    ("ctc", &[STEPS, Input("letter", &[BATCH, 2])]),
];

/// What is not drawn, and why.
pub(crate) const NOT_DRAWN: &[(&str, &str)] = &[
    ("gradient", "taken of every built-in that gives floats, by every float that it is given"),
    ("f64", "compiled code has no f64"),
];

/// A number of an input, by what its name begins with.
pub(crate) fn number(name: &str, noise: u64) -> Option<f64> {
    let eighths = |from: i64, count: u64| (from + (noise % count) as i64) as f64 / 8.0;
    Some(match name.split('.').next()? {
        "x" => eighths(-16, 33),
        "positive" => eighths(2, 15),
        "below" => eighths(-16, 15),
        "above" => eighths(9, 15),
        "unit" => eighths(-7, 15),
        "share" => eighths(1, 7),
        "sign" => [-1.0, 1.0][(noise % 2) as usize],
        "mask" => (noise % 2) as f64,
        "label" => (noise % 3) as f64,
        "letter" => (1 + noise % 3) as f64,
        _ => return None,
    })
}

/// What `name` is given.
pub(crate) fn given(name: &str) -> Option<&'static [Given]> {
    GIVEN
        .iter()
        .find(|(names, _)| names.split_whitespace().any(|other| other == name))
        .map(|(_, given)| *given)
}

/// A declaration of this built-in with the options that `bytes` choose, or without any where those do not fit.
pub(crate) fn declare(built_in: &Composite, bytes: &[u8]) -> (Result<Declaration, Errors>, Run) {
    let mut choices = Choices::new(bytes);
    let batch = choices.of(&[2_i64, 3, 1, 5, 17]);
    let time = choices.of(&[3_i64, 4, 1, 2, 7]);
    let sizes = Bindings::from([("batch".into(), batch), ("time".into(), time)]);
    let options = options(built_in, &mut choices);
    let with = declared(built_in, options);
    let declaration = if with.is_ok() { with } else { declared(built_in, Vec::new()) };
    (declaration, Run { sizes, labels_fit: true })
}

fn options(built_in: &Composite, choices: &mut Choices<'_>) -> Vec<(&'static str, Argument)> {
    let mut options = Vec::new();
    for parameter in built_in.parameters.iter().filter(|parameter| parameter.default.is_some()) {
        let argument = match parameter.kind {
            Kind::Bool => Argument::Bool(choices.below(2) == 1),
            Kind::Word(words) => Argument::Word(choices.of(words)),
            Kind::Integer | Kind::Axes if parameter.name.starts_with("ax") => {
                Argument::Integer(choices.of(&[0_i64, 1, -1]))
            }
            _ => continue,
        };
        if choices.below(2) == 0 {
            options.push((parameter.name, argument));
        }
    }
    options
}

fn declared(built_in: &Composite, options: Vec<(&str, Argument)>) -> Result<Declaration, Errors> {
    let b = Builder::new(Mode::Train);
    let given = given(built_in.name).unwrap_or_default();
    let takes_any = built_in.parameters.iter().any(|parameter| matches!(parameter.kind, Kind::Tensors));
    let mut names = built_in.parameters.iter().filter(|parameter| parameter.default.is_none());
    let (mut inputs, mut positional, mut named) = (Vec::new(), Vec::new(), options);
    named.extend(needed(built_in.name));
    for (place, &given) in given.iter().enumerate() {
        let argument = argument(&b, place, given, &mut inputs);
        match names.next().map(|parameter| parameter.name) {
            Some(name) if !takes_any => named.push((name, argument)),
            _ => positional.push(argument),
        }
    }

    let values = match composite::results(&b, built_in.name, positional, named) {
        Argument::Value(value) => vec![value],
        Argument::Several(several) => several.values,
        _ => Vec::new(),
    };
    give(&b, &values, &inputs);
    b.finish()
}

/// What need not be given, but something like it must be.
fn needed(name: &str) -> Option<(&'static str, Argument)> {
    match name {
        "clamp" => Some(("min", Argument::Number(-0.75))),
        "upsample" | "upsample_linear" => Some(("scale", Argument::Dim(Dim::from(2)))),
        _ => None,
    }
}

fn argument(b: &Builder, place: usize, given: Given, inputs: &mut Vec<Value>) -> Argument {
    let dims = |sizes: &[i64]| sizes.iter().map(|size| dim(*size)).collect::<Vec<Dim>>();
    match given {
        Input(kind, sizes) => {
            let element = match kind {
                "label" | "letter" => I32,
                "mask" => Bool,
                _ => F32,
            };
            let input = b.input(&format!("{kind}.{place}"), element, Shape(dims(sizes)));
            inputs.push(input.clone());
            input.into()
        }
        Number(number) => Argument::Number(number),
        Whole(number) => Argument::Integer(number),
        Size(size) => Argument::Dim(Dim::from(size)),
        Sizes(sizes) => Argument::Shape(dims(sizes)),
        Text(text) => Argument::Text(text.into()),
    }
}

fn dim(size: i64) -> Dim {
    match size {
        BATCH => Dim::symbol("batch"),
        TIME => Dim::symbol("time"),
        number => Dim::from(number),
    }
}

/// All that the built-in gave, a loss of it, and the loss's gradients by inputs.
fn give(b: &Builder, values: &[Value], inputs: &[Value]) {
    let is_float = |value: &&Value| value.ty().is_some_and(|ty| ty.element == F32);
    values.iter().enumerate().for_each(|(place, value)| b.output(&format!("y{place}"), value));
    // Inputs are in the loss themselves, so that it depends on all of them.
    let squares = values.iter().filter(is_float).map(|value| mean(square(value)));
    let terms = squares.chain(inputs.iter().filter(is_float).map(|input| mean(input) * 0.25));
    let Some(loss) = terms.reduce(|a, b| a + b) else { return };
    for (place, input) in inputs.iter().filter(is_float).enumerate() {
        b.output(&format!("slope{place}"), &gradient(sum(&loss), input));
    }
    b.loss("loss", &loss, None);
}
