//! What other libraries have and what has no counterpart by name here: what does its work.
//!
//! Names stand without case and `_`, but for those of values.

/// Functions without a counterpart by name, and what does their work.
pub(super) const FUNCTION_ADVICE: &[(&str, &str)] = &[
    ("accuracy", "it has no slope to follow: count it outside, `downhill::data::accuracy(&scores, &labels)`"),
    ("activation", "call the activation by its name: `relu(x)`"),
    ("adam", OPTIMIZER),
    ("adamw", OPTIMIZER),
    ("arange", "number axes in Rust, or count with `cumsum(ones([n]))`"),
    ("array", CONSTANT),
    ("astype", "`f32(x)` and `i32(x)` convert"),
    ("asarray", CONSTANT),
    ("backward", "the backward pass comes by itself: say what to minimise with `loss`"),
    ("bidirectional", "say it to the recurrence: `lstm(x, units, bidirectional: true)`"),
    ("broadcastto", "a size of 1 stretches by itself; `expand(x, axis)` adds an axis of 1"),
    ("cast", "`f32(x)` and `i32(x)` convert"),
    ("cosinesimilarity", "`sum(normalize(a) * normalize(b), axes: [1])`"),
    ("causalmask", CAUSAL),
    ("clone", "values are shared by their names: leave it out"),
    ("compile", OPTIMIZER),
    ("contiguous", "leave it out: memory is planned"),
    ("cpu", DEVICE),
    ("cuda", DEVICE),
    ("depthwiseconv", "say it to the convolution: `conv(x, channels, kernel: 3, groups: channels)`"),
    ("derivative", DERIVATIVE),
    ("diff", DERIVATIVE),
    ("eval", TRAINING),
    ("expandas", "a size of 1 stretches by itself; `expand(x, axis)` adds an axis of 1"),
    ("fit", "a network is trained where it is built: `net.epoch(&data, Epoch { batch: 32, seed })?`"),
    ("generatesquaresubsequentmask", CAUSAL),
    ("globalmaxpool", "`max(x, axes: [2, 3])`"),
    ("globalmaxpooling", "`max(x, axes: [2, 3])`"),
    ("forward", CALLED),
    ("init", CALLED),
    ("fulllike", "`full([batch, n], 0.5)` has the shape that is written"),
    ("identity", "name the value itself: `let y = x;`"),
    ("input", "declare it: `input x: [batch, 4];`"),
    ("isnan", "`not_equal(x, x)` holds for NaN alone"),
    ("iter", WHOLE),
    ("item", "values are read from what `forward` and `step` give"),
    (
        "jacobian",
        "`gradient(y, x)` is the sum over all of `y`; of one column of it: `gradient(unstack(y, 0, axis: 1), x)`",
    ),
    ("jit", "leave it out: everything is compiled"),
    ("l2", "`squared_error(p, y)` of a prediction, `squares(h.weight)` of a parameter"),
    ("l1penalty", "`1e-4 * absolutes(h.weight)` of a parameter"),
    ("l1regularization", "`1e-4 * absolutes(h.weight)` of a parameter"),
    ("l2penalty", "`1e-4 * squares(h.weight)` of a parameter"),
    ("l2regularization", "`1e-4 * squares(h.weight)` of a parameter"),
    ("last", "the last step is `unstack(x, -1, axis: 1)`"),
    ("len", SIZE),
    ("lerp", "`a + t * (b - a)`"),
    ("linspace", CONSTANT),
    ("map", WHOLE),
    ("modulelist", CHAIN),
    ("oneslike", "`ones([batch, n])` has the shape that is written"),
    ("optimizer", OPTIMIZER),
    ("param", "declare it: `param w: [n, units] = xavier_uniform();`"),
    ("parameter", "declare it: `param w: [n, units] = xavier_uniform();`"),
    ("print", PRINT),
    ("println", PRINT),
    ("prod", "`exp(sum(log(x)))` of numbers above 0; `cumprod(x)` has all products so far"),
    ("range", "count in a loop: `for i in 0..depth { … }`"),
    ("rearrange", "`transpose(x, axes: […])` puts axes in order and `reshape(x, […])` joins or parts them"),
    ("registerbuffer", "what is kept, not trained, is a `state`: `state m: [4] = zeros();`"),
    ("requiresgrad", "parameters are trained, inputs are not: `param` and `input` say so"),
    ("rmse", "`sqrt(squared_error(p, y))`"),
    ("rootmeansquarederror", "`sqrt(squared_error(p, y))`"),
    (
        "scan",
        "`scan step in x along time, h = zeros([batch, units]) { h = …; yield h }` runs its body for each step",
    ),
    ("separableconv", "a `conv` with `groups: channels`, then one with `kernel: 1`"),
    ("sequential", CHAIN),
    ("sgd", OPTIMIZER),
    ("some", "values are not optional: leave it out"),
    ("shape", SIZE),
    ("size", SIZE),
    (
        "sparsecategoricalcrossentropy",
        "`cross_entropy` takes logits and `categorical_cross_entropy` probabilities; labels of both may be `i32` class indices",
    ),
    ("squeeze", "`reshape(x, […])` without the axis of 1, or `unstack(x, 0, axis: 1)`"),
    ("step", OPTIMIZER),
    ("tensor", CONSTANT),
    ("to", DEVICE),
    (
        "timedistributed",
        "leave it out: `linear` and the like work along the last axis, whatever stands before it",
    ),
    ("topkcategorical", "`top_k_indices(x, k)`"),
    ("train", TRAINING),
    ("transformerencoder", TRANSFORMER),
    ("transformerencoderlayer", TRANSFORMER),
    ("unwrap", "leave it out: nothing fails here"),
    ("vmap", "leave it out: the batch is an axis of the input, `[batch, 4]`"),
    ("vstack", "`concatenate(a, b, axis: 0)`"),
    ("weightdecay", "say it to the optimizer, or add `1e-4 * squares(h.weight)` to the loss"),
    ("zerograd", OPTIMIZER),
    ("zeroslike", "`zeros([batch, n])` has the shape that is written"),
];

const CAUSAL: &str = "say it to the attention: `attention(x, heads, causal: true)`";
const DERIVATIVE: &str = "the derivative is `gradient(y, x)`, the second one `gradient(gradient(y, x), x)`; differences are `slice(x, start: 1) - slice(x, end: -1)`";
const CALLED: &str = "a layer is called where it is used, `linear(x, 8)`; one that is used several times is `shared f = linear(8);`, then `f(x)`";
const TRANSFORMER: &str = "a block is a layer of yours: `let a = x + attention(layer_norm(x), heads); a + linear(gelu(linear(layer_norm(a), 4 * width)), width)`";
const WHOLE: &str =
    "functions take whole tensors, `h * 2.0`; what repeats is a loop: `for i in 0..depth { h = relu(h); }`";
const CHAIN: &str = "name one layer after the other: `let h = relu(linear(x, 8));`, then `let z = linear(h, 1);`; a `layer` block joins them";
const CONSTANT: &str = "`full([2, 3], 0.5)`, or an `input`; a number stands for itself";
const DEVICE: &str = "leave it out: code is made for this machine's processor; `f32(x)` and `i32(x)` convert";
const OPTIMIZER: &str =
    "the optimizer is chosen where the network is built: `Net::new().optimizer(adam(0.01)).build()`";
const PRINT: &str = "declare it as an output, `output h;`: `forward` gives it, and Rust prints it";
const SIZE: &str = "a size has the name that the input gave it: `batch` of `input x: [batch, 4]`";

/// Names that are values elsewhere, and what stands for them.
pub(super) const NAME_ADVICE: &[(&str, &str)] = &[
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("None", "leave the argument out where nothing is meant"),
    ("null", "leave the argument out where nothing is meant"),
    ("PI", "write `{ std::f64::consts::PI }`"),
    ("pi", "write `{ std::f64::consts::PI }`"),
    ("inf", "write `{ f64::INFINITY }`"),
    ("nan", "write `{ f64::NAN }`"),
    ("self", "a layer is called by its name: `linear(x, 8)`"),
];

/// Arguments that no function takes, and what does their work.
pub(super) const ARGUMENT_ADVICE: &[(&str, &str)] = &[
    ("activation", "call the activation around it: `relu(linear(x, 8))`"),
    ("allowunused", SLOPE),
    ("batchfirst", "leave it out: the batch always comes first"),
    ("activityregularizer", PENALTY),
    ("biasregularizer", PENALTY),
    ("creategraph", SLOPE),
    ("device", "leave it out: code is made for this machine's processor"),
    ("dtype", "leave it out: values are f32; `f32(x)` and `i32(x)` convert"),
    (
        "fromlogits",
        "leave it out: `cross_entropy` and `bce_with_logits` take logits, `categorical_cross_entropy` and `binary_cross_entropy` probabilities",
    ),
    ("gradoutputs", SLOPE),
    ("biasinit", BIAS),
    ("biasinitializer", BIAS),
    (
        "ceilmode",
        "leave it out: windows that would stand beyond the end are left out; `padding: 1` lets them in",
    ),
    ("in", COMES_IN),
    ("infeatures", COMES_IN),
    ("inchannels", COMES_IN),
    ("inplace", "leave it out: nothing is changed in place, and memory is planned"),
    ("inputdim", COMES_IN),
    ("inputshape", COMES_IN),
    ("inputsize", COMES_IN),
    ("kernelregularizer", PENALTY),
    ("name", "leave it out: a layer is named by its binding, `let name = …;`"),
    ("normalizedshape", COMES_IN),
    ("numfeatures", COMES_IN),
    ("requiresgrad", "leave it out: parameters are trained, inputs are not"),
    ("retaingraph", SLOPE),
    ("returnsequences", "leave it out: `let (y, h) = …` names all steps and the last state"),
    ("returnstate", "leave it out: `let (y, h) = …` names all steps and the last state"),
    ("sizeaverage", "leave it out: the mean is taken; `reduction: sum` adds up"),
    ("startdim", "leave it out: the batch stays, all other axes are made one"),
    ("trackrunningstats", "leave it out"),
    ("train", TRAINING),
    ("training", TRAINING),
    ("unbiased", "write `correction: 1.0` for unbiased, `correction: 0.0` for the mean over all"),
    ("weightdecay", PENALTY),
    ("deterministic", TRAINING),
];

const BIAS: &str = "leave it out, or declare the bias: `bias: false`, and `param b: [8] = zeros();` to add";
const PENALTY: &str =
    "leave it out: the optimizer decays weights, `adamw(0.01)`, or the loss adds `1e-4 * squares(h.weight)`";
const SLOPE: &str =
    "leave it out: a `gradient` is the sum of slopes of all that is given, and can be differentiated again";
const COMES_IN: &str = "leave it out: the size of what comes in follows from `x`";
const TRAINING: &str = "leave it out: a training step and `forward` are told apart by themselves";
