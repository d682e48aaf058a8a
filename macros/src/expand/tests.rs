//! What editors find in the expansion: items with documentation, at the tokens that were written.

use crate::{check, expand, parse};
use proc_macro2::{TokenStream, TokenTree};

const SOURCE: &str = "
    layer wide(x: [batch, n], units) { linear(x, units) }
    Net(hidden: usize) {
        input x: [batch, 2];
        param w: [2, 3] = normal(deviation: 0.1);
        let h = leaky_relu(wide(x, hidden), slope: 0.2);
        for i in 1..3 { h = linear(h, i); }
        output y = x @ w + sum(h);
        loss squares(y);
    }
";

fn expansion() -> TokenStream {
    let tokens: TokenStream = SOURCE.parse().expect("tokens");
    let (program, mut diagnostics) = parse::program(tokens);
    let shapes = check::program(&program, &mut diagnostics);
    assert_eq!(diagnostics.messages(), [""; 0]);
    expand::program(&program, &shapes)
}

/// The words of the expansion that lie where `word` stands first in the source, behind `before`.
fn at(before: &str, word: &str) -> Vec<String> {
    let start = SOURCE.find(before).expect("before") + before.len();
    let offset = start + SOURCE[start..].find(word).expect("word");
    let line = SOURCE[..offset].matches('\n').count() + 1;
    let column = offset - SOURCE[..offset].rfind('\n').map_or(0, |end| end + 1);
    let mut found = Vec::new();
    visit(expansion(), &mut |tree| {
        let start = tree.span().start();
        if let TokenTree::Ident(word) = tree
            && (start.line, start.column) == (line, column)
        {
            found.push(word.to_string());
        }
    });
    found
}

fn visit(tokens: TokenStream, each: &mut dyn FnMut(&TokenTree)) {
    for tree in tokens {
        each(&tree);
        if let TokenTree::Group(group) = tree {
            visit(group.stream(), each);
        }
    }
}

#[test]
fn built_ins_their_arguments_and_initialisers_lead_to_the_manual() {
    let text = expansion().to_string();
    assert!(text.contains("use __nn :: manual :: leaky_relu :: { self as _ , slope as _ }"), "{text}");
    assert!(text.contains("use __nn :: manual :: initializers :: normal :: { self as _ , deviation as _ }"));
    assert_eq!(at("let h = ", "leaky_relu"), ["leaky_relu"]);
    assert_eq!(at("hidden), ", "slope"), ["slope"]);
    assert_eq!(at("[2, 3] = ", "normal"), ["normal"]);
    assert_eq!(at("normal(", "deviation"), ["deviation"]);
}

#[test]
fn a_layer_is_found_from_its_call() {
    assert_eq!(at("layer ", "wide"), ["__layer_wide"]);
    assert_eq!(at("leaky_relu(", "wide"), ["__layer_wide"]);
}

#[test]
fn a_name_tells_its_shape() {
    let text = expansion().to_string();
    for about in [
        "`x`: f32[batch, 2]",
        "`w`: f32[2, 3]",
        "`h`: f32[batch, hidden]",
        "`h`: another shape in each iteration",
        "`y`: f32[batch, 3]",
    ] {
        assert!(text.contains(&format!("# [doc = \"{about}\"]")), "{about}: {text}");
    }
    assert!(at("let ", "h").contains(&"h".to_owned()));
}
