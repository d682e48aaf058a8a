//! Spellings of other languages and libraries, each with what is written here instead: tables, and what looks up in them.
//!
//! In: a word or a sign where a form of this language was expected. Out: what it is, and the mend.

use proc_macro2::TokenTree;
use syn::parse::ParseStream;

/// What a foreign spelling is, and the mend.
pub(super) type Advice = (&'static str, &'static str);

/// Modules of other libraries, whose functions stand alone here.
const MODULES: [&str; 25] = [
    "F",
    "K",
    "burn",
    "eqx",
    "flax",
    "hk",
    "functional",
    "jax",
    "jnp",
    "keras",
    "layers",
    "lax",
    "linen",
    "math",
    "nn",
    "nnx",
    "np",
    "numpy",
    "onp",
    "ops",
    "scipy",
    "optax",
    "tch",
    "tf",
    "torch",
];

pub(super) fn is_module(name: &str) -> bool {
    MODULES.contains(&name)
}

/// Where a value is expected: its first word or sign.
pub(super) const VALUES: &[(&str, Advice)] = &[
    ("match", ("`match` is not of this language", "write `if n == 1 { a } else if n == 2 { b } else { c }`")),
    ("while", LOOP),
    ("loop", LOOP),
    ("for", ("a loop gives no value", "bind a name anew in it: `for i in 0..depth { h = relu(h); }`")),
    ("return", RETURN),
    ("|", CLOSURE),
    ("||", CLOSURE),
    ("move", CLOSURE),
    ("fn", CLOSURE),
    ("let", ("a `let` is a statement", "a `;` may be missing before it")),
    ("unsafe", ("`unsafe` is not of this language", "leave it out")),
    ("async", ("`async` is not of this language", "leave it out")),
    ("&", ("values are not borrowed", "leave out `&`")),
    ("*", ("nothing is dereferenced", "leave out `*`; a power is `pow(x, 2)`")),
    (".", ("a number begins with a digit", "write `0.5`")),
    ("_", ("`_` is no value", "name what is meant")),
    ("~", ("`~` is no operator", "write `not(mask)`")),
    ("++", COUNT),
    ("+", ("`+` stands between two values", "leave it out")),
    (
        "where",
        ("`where` is a word of Rust's own", "`select(mask, a, b)` takes a where the mask holds, else b"),
    ),
    (";", ("a value is missing before `;`", "write it, or leave out the operator before it")),
    (",", ("a value is missing before `,`", "write it, or leave out the `,`")),
    ("=", ("a value is missing before `=`", "a name is bound by `let name = …;`")),
    (">", ("`>` stands between two values", "write `a > b`, or `a != b` for what is not equal")),
    (":", ("a value is missing before `:`", "a named argument is written `name: value`")),
];

/// Behind a value: a word or a sign that is no operator here.
pub(super) const OPERATORS: &[(&str, Advice)] = &[
    ("**", ("`**` is no operator", "write `pow(x, 2)`, or `square(x)`")),
    ("^", ("`^` is no operator", "write `pow(x, 2)`, or `square(x)`")),
    ("%", ("`%` is no operator", "write `remainder(a, b)`")),
    ("&", ("`&` is no operator", "join masks by `and(a, b)`, conditions by `&&`")),
    ("|", ("`|` is no operator", "join masks by `or(a, b)`, conditions by `||`")),
    ("and", ("`and` is a function", "join masks by `and(a, b)`, conditions by `&&`")),
    ("or", ("`or` is a function", "join masks by `or(a, b)`, conditions by `||`")),
    ("as", ("`as` converts nothing here", "write `f32(x)` or `i32(x)`; sizes and numbers need nothing")),
    (
        "if",
        (
            "an `if` stands before its values",
            "write `if condition { a } else { b }`; of masks `select(mask, a, b)`",
        ),
    ),
    (
        "where",
        ("`where` is a word of Rust's own", "`select(mask, a, b)` takes a where the mask holds, else b"),
    ),
    ("is", ("`is` is no operator", "write `==` or `!=`")),
    ("|>", ("`|>` is no operator", "functions stand around their values: `relu(linear(x, 8))`")),
    (
        "=",
        (
            "`=` gives a name",
            "write `==` to compare; a name is bound by a statement of its own, `let name = …;`",
        ),
    ),
    (
        "?",
        (
            "`?` is no operator",
            "leave it out; `if condition { a } else { b }` chooses, of masks `select(mask, a, b)`",
        ),
    ),
];

/// Where a statement is expected: its first word. Those that may be names count where another word follows.
pub(super) const STATEMENTS: &[(&str, Advice)] = &[
    ("while", LOOP),
    ("loop", LOOP),
    ("match", ("`match` is not of this language", "write `let y = if n == 1 { a } else { b };`")),
    ("return", RETURN),
    ("const", CONSTANT),
    ("static", CONSTANT),
    ("fn", FUNCTION),
    ("def", FUNCTION),
    ("function", FUNCTION),
    ("use", ("a `use` stands outside of `network!`", "built-ins need none")),
    ("import", ("nothing is imported here", "leave it out: built-ins are known by their names")),
    ("from", ("nothing is imported here", "leave it out: built-ins are known by their names")),
    ("struct", OUTSIDE),
    ("enum", OUTSIDE),
    ("impl", OUTSIDE),
    ("mod", OUTSIDE),
    ("trait", OUTSIDE),
    ("type", OUTSIDE),
    ("unsafe", ("`unsafe` is not of this language", "leave it out")),
    ("repeat", LOOP),
    ("do", LOOP),
    ("try", ("nothing fails here", "leave `try` out")),
    ("assert", ("nothing is asserted", "shapes are checked by themselves; the head of a layer says them")),
    (
        "forward",
        (
            "a network has no `forward`",
            "its statements stand one after another; `output` says what comes out",
        ),
    ),
    (
        "with",
        (
            "`with` is not of this language",
            "leave it out: `forward` follows no gradient; `stop_gradient(x)` is a constant to it",
        ),
    ),
    (
        "no_grad",
        (
            "`no_grad` is not of this language",
            "leave it out: `forward` follows no gradient; `stop_gradient(x)` is a constant to it",
        ),
    ),
    ("pub", ("a statement has no visibility", "leave `pub` out")),
    ("break", UNROLLED),
    ("continue", UNROLLED),
    ("var", LET),
    ("val", LET),
    ("mut", LET),
    ("auto", LET),
    ("label", TARGET),
    ("labels", TARGET),
    ("inputs", ("`inputs` begins no statement", "write `input` before each: `input x: [batch, 4];`")),
    ("frozen", FROZEN),
    ("fixed", FROZEN),
    ("constant", FROZEN),
    ("parameter", PARAM),
    ("parameters", PARAM),
    ("weight", PARAM),
    ("trainable", PARAM),
    (
        "buffer",
        (
            "`buffer` begins no statement",
            "what is kept, not trained, is a `state`: `state s: [n] = zeros();`",
        ),
    ),
    ("metric", METRIC),
    ("metrics", METRIC),
    ("minimize", LOSS),
    ("minimise", LOSS),
    ("cost", LOSS),
    ("objective", LOSS),
    ("optimizer", OPTIMIZER),
    ("optimiser", OPTIMIZER),
    ("optim", OPTIMIZER),
    ("print", PRINT),
    ("layer", ("a `layer` stands beside networks, not in one", "move it before `pub Name(…)`")),
];

const COUNT: Advice = ("nothing is counted up", "write `n = n + 1`");
const LOOP: Advice = (
    "loops count",
    "write `for i in 0..depth { h = relu(linear(h, width)); }`; steps of a sequence are a `scan`",
);
const RETURN: Advice = (
    "nothing is returned",
    "a layer gives the expression at its end, without `;`; a `scan` says `yield h`, a network `output name = …;`",
);
pub(super) const CLOSURE: Advice =
    ("there are no closures", "declare `layer name(x) { … }` beside the network, and call it");
const FUNCTION: Advice = ("a function in a network", "declare `layer name(x) { … }` before `pub Name(…)`");
const CONSTANT: Advice = (
    "a constant in a network",
    "declare it before `network!` and write `{ NAME }`, or make it an argument of the network",
);
const OUTSIDE: Advice = ("this stands outside of `network!`", "move it before the macro");
const UNROLLED: Advice =
    ("a loop runs through", "it is unrolled when the network is built: choose its bounds");
const LET: Advice = ("names are bound by `let`", "write `let name = …;`, and later `name = …;`");
const TARGET: Advice = ("what losses compare with is a `target`", "write `target y: [batch, 1];`");
const PARAM: Advice = ("what is trained is a `param`", "write `param w: [n, units] = xavier_uniform();`");
const LOSS: Advice = ("what is minimised is a `loss`", "write `loss squared_error(p, y);`");
const OPTIMIZER: Advice = (
    "a network has no optimizer",
    "it is chosen where the network is built: `Net::new().optimizer(adam(0.01)).build()`",
);
const FROZEN: Advice = (
    "what is not trained is a `state`",
    "write `state w: [n, units] = xavier_uniform();`; a `param` is frozen by the optimizer: `adam(0.01).freeze(\"w\")`",
);
const METRIC: Advice = (
    "a network counts no metrics",
    "they are counted in Rust: `accuracy(&net.predict(&data)?, data.column(\"y\")?)?`",
);
const PRINT: Advice =
    ("nothing is printed here", "declare `output h;`: `forward` gives it, and Rust prints it");

/// Element types of other libraries, and those of this language.
const ELEMENTS: &[(&str, &str)] = &[
    ("float", "f32"),
    ("float32", "f32"),
    ("float64", "f64"),
    ("double", "f64"),
    ("f16", "f32"),
    ("bf16", "f32"),
    ("int", "i32"),
    ("int32", "i32"),
    ("int64", "i32"),
    ("i64", "i32"),
    ("isize", "i32"),
    ("long", "i32"),
    ("u8", "u32"),
    ("uint8", "u32"),
    ("u64", "u32"),
    ("boolean", "bool"),
];

/// The element type that is likely meant.
pub(super) fn element(name: &str) -> Option<&'static str> {
    find(ELEMENTS, name).copied()
}

/// What stands where a value is expected.
pub(super) fn value(input: ParseStream) -> Option<Advice> {
    find(VALUES, &next(input)?).copied()
}

/// What stands behind a value as if it were an operator.
pub(super) fn operator(input: ParseStream) -> Option<Advice> {
    find(OPERATORS, &next(input)?).copied()
}

/// What stands where a statement is expected. `declares` where another word follows.
pub(super) fn statement(word: &str, declares: bool) -> Option<Advice> {
    let reserved = syn::parse_str::<syn::Ident>(word).is_err();
    find(STATEMENTS, word).copied().filter(|_| reserved || declares)
}

/// The next word, or the signs that stand together as one operator.
fn next(input: ParseStream) -> Option<String> {
    let (tree, rest) = input.cursor().token_tree()?;
    match (&tree, rest.token_tree()) {
        (TokenTree::Punct(first), Some((TokenTree::Punct(second), _)))
            if first.spacing() == proc_macro2::Spacing::Joint
                && ["**", "||", "&&", "==", "|>", "++"].contains(&&*format!("{first}{second}")) =>
        {
            Some(format!("{first}{second}"))
        }
        (TokenTree::Punct(punct), _) => Some(punct.to_string()),
        (TokenTree::Ident(word), _) => Some(word.to_string()),
        (TokenTree::Group(_) | TokenTree::Literal(_), _) => None,
    }
}

fn find<'t, T>(table: &'t [(&str, T)], name: &str) -> Option<&'t T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, found)| found)
}
