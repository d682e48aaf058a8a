//! The parser on its own: what is read, and that one mistake hides no other.

use super::{foreign, program};
use crate::signature::written;
use crate::syntax::{Along, ExpressionKind, Network, Statement, StatementKind};
use downhill_nn::composite;
use proc_macro2::TokenStream;

/// The first network of `source`, and the mistakes of form.
fn read(source: &str) -> (Network, Vec<String>) {
    let tokens: TokenStream = source.parse().expect("tokens");
    let (mut program, diagnostics) = program(tokens);
    (program.networks.remove(0), diagnostics.messages())
}

/// `let a = source;`, written again with all brackets that precedence implies.
fn expression(source: &str) -> String {
    let (network, mistakes) = read(&format!("Net {{ let a = {source}; }}"));
    assert_eq!(mistakes, [""; 0], "{source}");
    match &network.body[0].kind {
        StatementKind::Let { value, .. } => written(value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn precedence() {
    assert_eq!(expression("a + b * c - d"), "(a + (b * c)) - d");
    assert_eq!(expression("x @ a + b"), "(x @ a) + b");
    assert_eq!(expression("a * b @ c / d"), "((a * b) @ c) / d");
    assert_eq!(expression("-x @ w"), "-x @ w");
    assert_eq!(expression("a - -1"), "a - -1");
    assert_eq!(expression("a + 1 < b * 2"), "(a + 1) < (b * 2)");
    assert_eq!(expression("(a + b) * c"), "(a + b) * c");
    assert_eq!(expression("a >= b"), "a >= b");
}

#[test]
fn parameters_and_paths() {
    assert_eq!(expression("h.0.1.weight"), "h.0.1.weight");
    assert_eq!(expression("my::swish(x)"), "my::swish(…)");
    assert_eq!(expression("self::f(x) + crate::g(y)"), "self::f(…) + crate::g(…)");
    assert_eq!(expression("[batch, 4 * width]"), "[batch, 4 * width]");
}

#[test]
fn conditions() {
    assert_eq!(expression("a < b || c && d == e"), "(a < b) || (c && (d == e))");
    assert_eq!(expression("!a && !(b || c)"), "!a && !(b || c)");
    assert_eq!(
        expression("if a { b } else if c == 1 { d } else { -e }"),
        "if a { b } else if c == 1 { d } else { -e }"
    );
    assert_eq!(expression("1 + if a { 2 } else { 3 } * 4"), "1 + (if a { 2 } else { 3 } * 4)");
    assert_eq!(expression("f(x, stride: if a { 2 } else { 1 })"), "f(…)");
}

#[test]
fn losses_have_names_and_instances_or_none() {
    let (network, mistakes) = read(
        "Net {
            loss mean(x);
            loss judge = mean(x);
            loss over d = mean(x);
            loss judge over d, g = mean(x);
            loss over = mean(x);
        }",
    );

    assert_eq!(mistakes, [""; 0]);
    let heads: Vec<(String, usize)> = network.body.iter().map(head).collect();
    let expected = [("", 0), ("judge", 0), ("", 1), ("judge", 2), ("over", 0)];
    assert_eq!(heads, expected.map(|(name, count)| (name.to_owned(), count)));
}

fn head(statement: &Statement) -> (String, usize) {
    match &statement.kind {
        StatementKind::Loss { name, over, .. } => {
            (name.as_ref().map(ToString::to_string).unwrap_or_default(), over.len())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_of_the_language_may_be_names() {
    let (network, mistakes) =
        read("Net { input input: [batch]; let loss = input; loss = loss * 2; output loss; }");
    assert_eq!(mistakes, [""; 0]);
    assert!(matches!(network.body[2].kind, StatementKind::Rebind { .. }));
}

#[test]
fn scans() {
    let source = "scan reverse a in x, b in f(y) along time, c in z along -1, (h, g) = (p, q), n = 2 { h = a; yield h; yield b }";
    let (network, mistakes) = read(&format!("Net {{ let (v, w) = {source}; }}"));
    assert_eq!(mistakes, [""; 0]);
    let StatementKind::Let { names, value } = &network.body[0].kind else { panic!("no let") };
    let ExpressionKind::Scan(scan) = &value.kind else { panic!("no scan") };
    assert_eq!(names.len(), 2);
    assert!(scan.reverse);
    let along = |position: usize| match &scan.slices[position].along {
        Along::Axis(axis) => axis.to_string(),
        Along::Size(name) => name.to_string(),
    };
    assert_eq!([along(0), along(1), along(2)], ["time", "time", "-1"]);
    assert_eq!(scan.carried.iter().map(|carried| carried.names.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(scan.body.len(), 3);
}

#[test]
fn all_mistakes_of_a_body_are_told() {
    let (_, mistakes) =
        read("Net { let a = scan s in x along time { let b = ; c = c +; yield s }; output a; }");
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
}

#[test]
fn a_mistake_hides_no_other_statement() {
    let (network, mistakes) = read(
        "Net {
            let a = ;
            let b = relu(a)
            let c: f32 = b;
            for i in 0..=3 { let d = c; }
            c = c +;
            output c;
        }",
    );
    assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    assert!(matches!(network.body.last().map(|last| &last.kind), Some(StatementKind::Output(_))));
}

/// The mistakes of a statement in a network.
fn mistakes(statement: &str) -> Vec<String> {
    read(&format!("Net {{ {statement} }}")).1
}

#[test]
fn foreign_spellings_are_told_by_their_row() {
    for (value, (message, _)) in foreign::VALUES {
        let found = mistakes(&format!("let a = {value} b;"));
        assert!(found[0].starts_with(message), "{value}: {found:?}");
    }
    for (operator, (message, _)) in foreign::OPERATORS {
        let found = mistakes(&format!("let a = b {operator} c;"));
        assert!(found[0].starts_with(message), "{operator}: {found:?}");
    }
    for (word, (message, _)) in foreign::STATEMENTS {
        let found = mistakes(&format!("{word} a = 3;"));
        assert!(found[0].starts_with(message), "{word}: {found:?}");
    }
}

#[test]
fn names_that_are_words_elsewhere_stay_names() {
    assert_eq!(mistakes("label = 3; let print = 4; let weight = var * cost; weight = label;"), [""; 0]);
    assert_eq!(expression("h.size.T"), "h.size.T");
    assert_eq!(mistakes("let a = scan step in 2 * x * 1.0 along time, h = 3.0 { yield step };"), [""; 0]);
    assert_eq!(mistakes("let a = scan step in x * 2 along 1, h = x { h = step; yield h };"), [""; 0]);
    assert_eq!(expression("nn::swish(x) + functional::f(x)"), "nn::swish(…) + functional::f(…)");
    assert_eq!(expression("a == b && not_b || as_is"), "((a == b) && not_b) || as_is");
}

#[test]
fn methods_and_indices_are_written_as_calls() {
    let help = |source: &str| {
        let tokens: TokenStream = format!("Net {{ let a = {source}; }}").parse().expect("tokens");
        let (_, diagnostics) = program(tokens);
        let text = diagnostics.into_syn().map(|error| error.to_string()).unwrap_or_default();
        text.rsplit_once("write `")
            .map_or(text.clone(), |(_, mend)| mend.split('`').next().unwrap_or("").to_owned())
    };
    assert_eq!(help("x.relu()"), "relu(x)");
    assert_eq!(help("x.view(batch, 4).sum(1)"), "sum(reshape(x, [batch, 4]), 1)");
    assert_eq!(help("(p - y).pow(2).mean()"), "mean(pow(p - y, 2))");
    assert_eq!(help("nn.Linear(4, 8)(x)"), "linear(x, 8)");
    assert_eq!(help("Conv2d(3, 8, 5)(x)"), "conv(x, 8, 5)");
    assert_eq!(help("nn.Dropout(0.5)(x)"), "dropout(x, 0.5)");
    assert_eq!(help("nn.BatchNorm1d(8)(x)"), "batch_norm(x)");
    assert_eq!(help("x[:, 1:3]"), "slice(x, start: 1, end: 3, axis: 1)");
    assert_eq!(help("x[.., 1..]"), "slice(x, start: 1, axis: 1)");
    assert_eq!(help("x[-1]"), "unstack(x, -1, axis: 0)");
    assert_eq!(help("x[..., None]"), "expand(x, -1)");
    assert_eq!(help("x[..., 0]"), "unstack(x, 0, axis: -1)");
    assert_eq!(help("layers.Dense(10, activation=\"relu\")(x)"), "relu(dense(x, 10))");
    assert_eq!(help("Add()([a, b])"), "add(a, b)");
    assert_eq!(help("F.gelu(x, approximate=\"tanh\")"), "gelu(x, approximate: true)");
    assert_eq!(help("x.max(0.0)"), "maximum(x, 0.0)");
    assert_eq!(help("x[:, np.newaxis]"), "expand(x, 1)");
    assert_eq!(help("x |> linear(8) |> relu"), "relu(linear(x, 8))");
    assert_eq!(help("x[:, ::2]"), "slice(x, axis: 1, stride: 2)");
    assert_eq!(help("x.repeat(1, 2)"), "tile(x, [1, 2])");
    assert_eq!(help("x[:, -1, 0]"), "unstack(unstack(x, 0, axis: 2), -1, axis: 1)");
    assert_eq!(
        help("q.gather(1, a.unsqueeze(1)).squeeze(1)"),
        "unstack(gather(q, expand(a, 1), axis: 1), 0, axis: 1)"
    );
    assert_eq!(help("torch.autograd.grad(u.sum(), x, create_graph=True)[0]"), "gradient(sum(u), x)");
    assert_eq!(help("x.max(dim=1)[1]"), "argmax(x, axis: 1)");
    assert_eq!(help("x.max(1).values"), "max(x, axes: 1)");
    assert_eq!(help("sum(x, dim=1, keepdim=True)"), "sum(x, axes: 1, keep: true)");
    assert_eq!(help("cat([a, b], dim=1)"), "concatenate(a, b, axis: 1)");
    assert_eq!(help("(x > 0) & (x < 1) | y"), "or(and(x > 0, x < 1), y)");
    assert_eq!(help("1 + np.exp(a) * (b - c).pow(2)"), "1 + exp(a) * pow(b - c, 2)");
    assert_eq!(help("x.transpose(1, 2)"), "transpose(x, [0, 2, 1])");
    assert_eq!(help("torch.randn(batch, 4)"), "normal([batch, 4])");
    assert_eq!(help("F.mse_loss(p, y, reduction=\"sum\")"), "mse(p, y, reduction: sum)");
}

/// The mend of `source`, and whether it is of this language.
fn mend_is_read(source: &str) {
    let tokens: TokenStream = format!("Net {{ let a = {source}; }}").parse().expect("tokens");
    let text = program(tokens).1.into_syn().map(|error| error.to_string()).unwrap_or_default();
    let mend = text.split_once("write `").and_then(|(_, mend)| mend.split('`').next());
    // Where more must be given, the call says what.
    let Some(mend) = mend else { return assert!(text.contains("it is called as `"), "{source}: {text}") };
    let read: TokenStream = format!("Net {{ let a = {mend}; }}").parse().expect("tokens");
    assert!(program(read).1.is_empty(), "{source}: {mend}");
}

#[test]
fn forms_of_other_libraries_are_mended_into_this_language() {
    for (call, _) in composite::forms() {
        mend_is_read(&format!("torch.{call}"));
    }
    for (name, function) in composite::aliases() {
        if composite::find(function).is_some() {
            mend_is_read(&format!("torch.{name}(a, b)"));
        }
    }
}
