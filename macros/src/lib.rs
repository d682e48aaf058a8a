//! How the user says it: the `network!` macro.
//!
//! Data order: `parse` makes the tree of `syntax` from tokens, `check` interprets it over a real graph while rustc runs,
//! `expand` writes the calls of the builder that do the same when a network is built.

mod syntax;

mod diagnose;

mod signature;

mod parse;

mod callee;

mod shapes;

mod check;

mod expand;

use proc_macro::TokenStream;

/// Declares networks: their inputs, their formulas, what comes out, what is minimised.
///
/// ```ignore
/// use downhill::prelude::*;
///
/// network! {
///     /// x·A + b.
///     layer affine(x: [batch, n], units) -> [batch, units] {
///         param a: [n, units] = normal(0.0, 1.0);
///         param b: [units]    = zeros();
///         x @ a + b
///     }
///
///     /// A stack as deep as you like.
///     pub Mlp(width: usize, depth: usize, classes: usize) {
///         input  x: [batch, 64];
///         target label: i32[batch];
///
///         let h = relu(affine(x, width));
///         for _ in 1..depth { h = relu(linear(h, width)); }
///         let logits = linear(h, classes);
///
///         output logits, probability = softmax(logits);
///         loss   cross_entropy(logits, label) + 1e-4 * squares(h.a);
///     }
/// }
///
/// let net = Mlp::new(128, 3, 10);
/// ```
///
/// A network becomes a struct with its arguments as public fields, `new(arguments)`, `Clone`, `Debug` and the trait
/// `Network`. Doc comments, attributes and visibility carry over. One `network!` may hold several networks and the layers they share.
///
/// # Forms
///
/// | form | meaning |
/// |---|---|
/// | `input x: [dims];` `input t: i32[dims];` | what every entry that reads it is given; f32 unless said otherwise |
/// | `target y: [dims];` | what only losses read: `forward` needs no targets |
/// | `let (y, h) = lstm(x, 8);` `(h, c) = lstm_cell(x, h, c);` | names each of several values. Where the first ones may stand for all, fewer names will do |
/// | `let h = value;` | names a value. The name is that of its layer: in messages, graphs, profiles, and of its parameters |
/// | `h = value;` | binds the name of a `let` anew, in a loop for the iterations that follow. Inputs, targets, parameters, states and arguments stay what they are |
/// | `param a: [dims] = normal(0.0, 1.0);` | a trainable tensor, in a layer or straight in a network |
/// | `state s: i32[dims] = zeros();` | a tensor that is kept, not trained |
/// | `update s = value;` | its next value, taken in training steps that reach it; see below |
/// | `shared g = linear(hidden);` | an instance with one set of parameters; `g(x)` uses it, as often as needed. Arguments given here come after those of each use |
/// | `for i in 0..depth { … }` | unrolled when the network is built; `i` is a number, inside `{ … }` a `usize`. A `let` ends with its iteration and takes no name from outside |
/// | `for width in [16, 32, 64] { … }` `for width in widths { … }` | the same over a list of sizes, or over an argument of type `Vec<usize>` |
/// | `output p;` `output a, b = value;` | what `forward` gives, by name |
/// | `loss value;` `loss name = value;` `loss name over g, d = value;` | a scalar to minimise; one training step each, over all parameters or over those of some shared instances |
/// | `layer f(x: [batch, n], units) -> [batch, units] { …; value }` | a function with parameters of its own, whose backward pass comes by itself |
/// | `layer f(x: [batch, n]) -> [batch, n] { …; value gradient(g) { …; value } }` | one whose backward pass is written; see below |
///
/// A size is a number, an argument of type `usize`, a name that an input mentions for the first time (`batch`), or a sum, difference,
/// product or quotient (rounded down) of sizes. Only an axis written as the number 1 broadcasts. Axes are lined up at the last; one that
/// is missing in front is added, but not where it would put a size that only a run tells beside itself: `p - y` with `p: [batch, 1]` and
/// `y: [batch]` would be every row with every other. Write `expand(y, 1)` for a column, `expand(y, 0)` where every pair is meant.
///
/// In the head of a layer, a name mentioned for the first time is whatever size is given; every other size must agree. An argument
/// without a type is a value, a size, a number, a flag, a list of sizes: whatever its uses take. In the shape that a layer gives, `_` is
/// whatever comes out: `-> [batch, units, _]`. One that gives several values, `(a, b)`, has a shape for each: `-> ([batch, n], [batch])`.
///
/// # Expressions
///
/// | form | meaning |
/// |---|---|
/// | `+ - * /`, unary `-` | element by element, broadcast from the last axis |
/// | `@` | the matrix product over the last two axes |
/// | `< <= > >= == !=` | masks, for `select(mask, a, b)` |
/// | `if stride == 1 { x } else { linear(x, 3) }` | the branch that is taken when the network is built; `else if` may follow. The other one declares nothing |
/// | `&& \|\| !` | join and turn round conditions |
/// | `f(x, 3, slope: 0.2)` | a built-in composite, a layer of this macro or a shared instance; positional arguments, then named ones |
/// | `h.weight`, `h.0.weight` | a parameter by its name |
/// | `gradient(y, x)` | ∂(sum of y)/∂x, a value like any other, to be differentiated again |
/// | `scan step in x along time, h = start { …; yield h }` | a loop over the steps of a sequence; see below |
/// | `(a, b)` | several values together, for names of each |
/// | `[batch, 2]` | a list of sizes, as an argument |
/// | `einsum("ij,jk->ik", a, b)` `kaiming_normal(mode: fan_out)` | text in quotes, or a word, for an argument that takes one |
/// | `{ … }` | any Rust expression of the network's arguments and loop variables: an integer, a float, a `bool` or a tensor `Value` |
/// | `my_crate::swish(x, 1.5)` | a Rust function by its path (`self::f` for one beside the network) |
///
/// `@` binds like `*`. A quotient of two whole numbers is the number it is on paper: `1 / 2` is 0.5.
///
/// A condition compares numbers, flags, arguments, loop variables and sizes made of them; so its value is a flag like `true`, and may be
/// named or handed on: `bias: depth > 2`. What each run decides, such as `batch > 1` or `x > 0.0`, chooses between no branches: `select`
/// takes masks, `and`, `or` and `not` join them.
///
/// ```ignore
/// layer block(x: [batch, n], units, stride) -> [batch, units] {
///     let skip = if stride == 1 && n == units { x } else { linear(x, units, bias: false) };
///     relu(linear(x, units) + skip)
/// }
///
/// pub Stack(widths: Vec<usize>) {
///     input x: [batch, 16];
///     let h = x;
///     for width in widths {
///         for turn in 0..3 { h = block(h, width, stride: if turn == 0 && width > 16 { 2 } else { 1 }); }
///     }
/// }
/// ```
///
/// A Rust function gets tensors as `&Value`, and plain values (numbers, arguments of the network, `{ … }`) as they are; it gives a `Value`:
///
/// ```ignore
/// fn swish(x: &Value, beta: f64) -> Value {
///     downhill::composite::sigmoid(x * beta) * x
/// }
/// ```
///
/// Arguments of type `usize` are sizes; `f32`, `f64` and `bool` are numbers and flags known when the network is built; `Vec<usize>` is a
/// list of sizes; any other type is for `{ … }` and Rust functions only.
///
/// # States
///
/// A `state` is kept from call to call, as a running mean is; `Model::state_of` and `Model::set_state` read and write it.
///
/// ```ignore
/// layer centred(x: [batch, n]) -> [batch, n] {
///     state centre: [n] = zeros();
///     update centre = 0.9 * centre + 0.1 * mean(x, axes: [0]);
///     x - centre
/// }
/// ```
///
/// An `update` is taken by the training steps whose loss reaches it: in a layer, whose loss depends on what the layer gives; straight in
/// a network, on what the new value is made of. One that no loss reaches is an error. `forward` and `gradients` change nothing.
/// Everything in a step reads a state as it was before the step, the right-hand sides of updates too. Where a shared instance is used
/// several times in a step, its updates are taken one after the other: each reads what the one before has made, while the values of the
/// loss are made of the state before the step. A step that is stopped, as by a loss that is not finite, changes no state.
///
/// # Recurrences
///
/// A `scan` runs its body once for each slice of a tensor, one after the other, and carries values from iteration to iteration. It is
/// written down once and never unrolled, so its length may be that of a run.
///
/// ```ignore
/// layer elman(x: [batch, time, n], units) -> [batch, time, units] {
///     param u: [n, units] = xavier();
///     param w: [units, units] = orthogonal();
///     param b: [units] = zeros();
///     scan step in x along time, h = zeros([batch, units]) {
///         h = tanh(step @ u + h @ w + b);
///         yield h
///     }
/// }
/// ```
///
/// `along time` is the axis that has this size, `along 1` that of this number; `step` has all other axes of `x`. Several tensors are
/// sliced together, `scan a in x, b in z along time`, if they have the same length; `scan reverse step in x …` goes from the last slice to
/// the first. What is carried has a value before the first iteration, `h = …` or `(h, c) = …`, and a type that stays; in the body it is
/// bound anew. All other values from outside may be used and stay what they are.
///
/// Each `yield` is stacked along the axis that was sliced, so that element t belongs to slice t, in reverse, too. These are the values of
/// the scan, and behind them stands what is carried in the end: `let y = scan …`, `let (y, h) = scan …`. Without a `yield` the scan is what
/// is carried.
///
/// A layer called in the body, or a `param` there, has one set of parameters for all iterations. Random numbers, as `dropout` draws them,
/// are others in each. A body updates no state. What is the same in every iteration is computed once. A product with all steps, `x @ u`,
/// is fastest before the scan, where it is one product: `rnn`, `gru` and `lstm` do it so.
///
/// A sequence that is too long for one step is learned in parts, each from the state that the one before ended with (truncated
/// backpropagation through time): the state is a `state`, an `update` hands it on, and no gradient goes back beyond the part.
///
/// ```ignore
/// pub Stream(rows: usize, units: usize) {
///     input  x: [rows, time, 3];
///     target y: [rows, time, 2];
///     state h: [rows, units] = zeros();
///     state c: [rows, units] = zeros();
///     let (steps, last_h, last_c) = lstm(x, units, h: h, c: c);
///     update h = last_h;
///     update c = last_c;
///     output z = linear(steps, 2);
///     output last_h, last_c;                             // `forward` updates nothing: hand them on by `net.set_state`
///     loss   squared_error(z, y);
/// }
/// ```
///
/// A new sequence begins with `net.set_state("h", &zeros)`.
///
/// # Gradients of one's own
///
/// Behind the value of a layer, `gradient(g) { … }` says what becomes of the gradient `g` that arrives there, instead of what the chain
/// rule says: PyTorch's `autograd.Function`.
///
/// ```ignore
/// layer rounded(x: [batch, n]) -> [batch, n] {
///     round(x)
///     gradient(g) { g }                                   // straight through
/// }
///
/// layer reversed(x: [batch, n], strength) -> [batch, n] {
///     x
///     gradient(g) { -strength * g }                       // from what comes behind, learn the opposite
/// }
///
/// layer clipped(x: [batch, n]) -> [batch, n] {
///     x
///     gradient(g) { clamp(g, -1.0, 1.0) }
/// }
///
/// layer product(a: [batch, n], b: [batch, n]) -> [batch, n] {
///     let y = a * b;
///     y
///     gradient(g) { (g * b, g * a) }                      // one for each tensor of floats that the layer is given
/// }
/// ```
///
/// It sees what the layer's body sees, and gives a value for each argument that is a tensor of floats, in their order and shapes; a number
/// stands for a tensor of it. `gradient(y, x)` and losses with derivatives differentiate what is written there. Parameters are handed in as
/// arguments: those that the body declares or calls would get no gradient, and are refused. From Rust: `value::with_gradient`.
///
/// # Names of parameters
///
/// The binding's name, then the parameter's: `h.weight`. Where a binding holds several layers with parameters, their number stands
/// between: `h.0.weight`, `h.1.weight`. In a loop the iteration follows the binding, of nested loops the outer one's first: `h.3.weight`,
/// `h.3.0.weight`; over a list it is the position. A layer's own bindings come between:
/// `h.inner.weight`. `h.weight` in a formula means the parameter of that name as far as declared, that of this iteration first.
///
/// # Mistakes
///
/// All mistakes are told at once, each on its tokens, with the shapes and the likely mend. What depends on arguments
/// is decided by `build`, in the same words, with the line of the declaration. Where arguments choose between the branches of an `if`,
/// both are checked, and nothing is refused behind it that is right for one of them. Sizes must agree for every run: what would fit for one
/// batch only is refused.
///
/// Losses refuse what is certainly not what they take: logits where probabilities are taken, a `softmax` or `sigmoid` where logits are.
/// The last operation tells; each loss in `downhill::composite` says which it looks at.
///
/// An entry asks for the inputs that it reads, and for one that tells a size it needs. A size that no input tells is an error.
///
/// Of an input or a target that nothing uses rustc warns, but for one that alone tells a size, and one whose name begins with `_`.
///
/// A network needs an output, and a loss to be trained with; one without is for inference. Beside a loss, a parameter that no loss depends
/// on is an error: it would never be trained. (One that an output depends on passes when a loss trains another parameter of the same layer:
/// from a loss made of derivatives, a bias drops out.) An output must not depend on a target.
///
#[doc = include_str!("built_ins.md")]
#[proc_macro]
pub fn network(tokens: TokenStream) -> TokenStream {
    let (program, mut diagnostics) = parse::program(tokens.into());
    // What parsed is checked even beside what did not: all mistakes at once.
    let shapes = check::program(&program, &mut diagnostics);
    if diagnostics.is_empty() {
        return expand::program(&program, &shapes).into();
    }
    let stubs = expand::stubs(&program);
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #stubs).into()
}
