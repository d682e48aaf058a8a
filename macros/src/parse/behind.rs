//! What stands behind a value and is no operator: methods, indices, calls of a value, macros, signs of other languages.
//!
//! In: the input behind a value. Out: nothing where an operator or an end may follow, else a mistake that says how it is written here.

use super::members::{called, member};
use super::token::{self as tokens, here, mistake};
use super::{foreign, index};
use crate::signature::{spelled, written};
use crate::syntax::{Expression, ExpressionKind};
use downhill_nn::composite;
use proc_macro2::TokenTree;
use syn::parse::ParseStream;
use syn::{Ident, Lit, Token, token};

/// Refuses what stands behind `value` and belongs to another language.
pub(super) fn nothing_foreign(input: ParseStream, value: &Expression) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![;]) || input.peek(Token![,]) {
        return Ok(());
    }
    if input.peek(Token![.]) && !input.peek(Token![..]) {
        return Err(member(input)?);
    }
    if input.peek(token::Bracket) {
        return Err(indexed(input, value));
    }
    // Behind a condition called like a function there is a block, which has no list in it.
    if let (ExpressionKind::Name(name), true) = (&value.kind, input.peek(token::Brace))
        && is_function(name)
        && is_list(input)
    {
        return Err(in_parentheses(input, name));
    }
    if input.peek(token::Paren) {
        return Err(called(input, value));
    }
    if input.peek(Token![!]) && !input.peek(Token![!=]) {
        return Err(macro_call(input, value));
    }
    if let Some(error) = assigning(input, value).or_else(|| word_behind(input, value)) {
        return Err(error);
    }
    if let Some(error) = power(input, value) {
        return Err(error);
    }
    match foreign::operator(input) {
        None => Ok(()),
        Some((message, help)) if joins(input) => Err(tokens::foreign(here(input), message, help)),
        Some((message, help)) => Err(mistake(here(input), message, help)),
    }
}

/// Whether a word or a sign that joins masks elsewhere is next.
fn joins(input: ParseStream) -> bool {
    ["and", "or"].iter().any(|word| tokens::word(input, word))
        || input.peek(Token![&])
        || input.peek(Token![|])
}

/// `x ** 2`, `x ^ 2`.
fn power(input: ParseStream, value: &Expression) -> Option<syn::Error> {
    let behind = input.fork();
    let sign = if input.peek(Token![^]) && !input.peek(Token![^=]) {
        behind.parse::<Token![^]>().ok()?;
        "^"
    } else {
        behind.parse::<Token![*]>().ok()?;
        behind.parse::<Token![*]>().ok()?;
        "**"
    };
    let exponent = behind.parse::<TokenTree>().map_or_else(|_| "2".to_owned(), |tree| tree.to_string());
    let mut help = format!("write `pow({}, {exponent})`", spelled(value));
    if let ExpressionKind::Integer(base) = value.kind {
        help += &format!("; as a size `{{ {base}usize.pow({exponent} as u32) }}`");
    }
    Some(tokens::foreign(here(input), format!("`{sign}` is no operator"), help))
}

/// `println!(…)`, `vec![…]` behind its name.
fn macro_call(input: ParseStream, value: &Expression) -> syn::Error {
    let name = written(value);
    let help = match name.as_str() {
        "print" | "println" | "eprintln" | "dbg" | "debug" => {
            "declare `output h;`: `forward` gives it, and Rust prints it"
        }
        "vec" => "a list of sizes is written `[16, 32]`",
        "assert" | "assert_eq" | "debug_assert" => {
            "shapes are checked by themselves; a layer's head says them"
        }
        _ => "Rust stands in `{ … }` as an argument, or outside of `network!`",
    };
    mistake(here(input), format!("`{name}!` is a macro of Rust"), help)
}

/// `h += x`.
fn assigning(input: ParseStream, value: &Expression) -> Option<syn::Error> {
    macro_rules! sign {
        ($($token:tt)*) => {
            [$((input.peek(Token![$token]), stringify!($token))),*].into_iter().find(|(is_next, _)| *is_next)
        };
    }
    let (_, sign) = sign!(+= -= *= /= %= ^= &= |=)?;
    let (name, operator) = (written(value), sign.trim_end_matches('='));
    Some(mistake(
        here(input),
        format!("`{sign}` is not of this language"),
        format!("write `{name} = {name} {operator} …;`"),
    ))
}

/// A value or a function directly behind another one, on the same line.
fn word_behind(input: ParseStream, value: &Expression) -> Option<syn::Error> {
    let is_same_line = here(input).start().line == value.location.end.end().line;
    let is_number = matches!(value.kind, ExpressionKind::Integer(_) | ExpressionKind::Number(_));
    if is_number && is_same_line && input.peek(Ident) && foreign::operator(input).is_none() {
        let factor = input.fork().parse::<Ident>().ok()?;
        if ["along", "then", "step", "do", "by", "to"].iter().any(|word| factor == word) {
            return None;
        }
        let help = format!("write `{} * {factor}`", written(value));
        return Some(mistake(here(input), format!("an operator is missing before `{factor}`"), help));
    }
    let ExpressionKind::Name(name) = &value.kind else { return None };
    // Behind a minus a number is an operand: `mean - 1.0`, whatever `mean` is.
    if !is_same_line || input.peek(Token![-]) || !(input.peek(Ident) || input.peek(Lit)) {
        return None;
    }
    let TokenTree::Ident(next) = input.cursor().token_tree()?.0 else {
        return is_function(name).then(|| without_parentheses(input, name));
    };
    match name.to_string().as_str() {
        "not" => Some(mistake(
            name.span(),
            "`not` is a function",
            format!("write `not({next})`; of a condition `!{next}`"),
        )),
        "shared" => {
            let help = format!("write `shared g = {next}(…);`, then `g(x)`");
            Some(mistake(name.span(), "an instance is declared by a statement of its own", help))
        }
        "lambda" => Some(mistake(name.span(), foreign::CLOSURE.0, foreign::CLOSURE.1)),
        _ if is_function(name) => Some(without_parentheses(input, name)),
        _ => None,
    }
}

fn is_function(name: &Ident) -> bool {
    composite::find(&name.to_string()).is_some()
}

/// Whether a group comes that has a comma in it.
fn is_list(input: ParseStream) -> bool {
    let Some((TokenTree::Group(group), _)) = input.cursor().token_tree() else { return false };
    group.stream().into_iter().any(|token| matches!(token, TokenTree::Punct(point) if point.as_char() == ','))
}

/// The mistake of `linear[x, 8]`, `linear { x, 8 }`.
fn in_parentheses(input: ParseStream, function: &Ident) -> syn::Error {
    let arguments = match input.cursor().token_tree() {
        Some((TokenTree::Group(group), _)) => group.stream().to_string(),
        _ => "…".into(),
    };
    mistake(here(input), "arguments stand in parentheses", format!("write `{function}({arguments})`"))
}

fn without_parentheses(input: ParseStream, name: &Ident) -> syn::Error {
    let next = input.cursor().token_tree().map_or_else(String::new, |(tree, _)| tree.to_string());
    mistake(name.span(), format!("`{name}` is called without parentheses"), format!("write `{name}({next})`"))
}

/// What `name[index]` may mean: an element or a range of a tensor, or of a list of sizes, or an element of each row.
fn of_name(name: &str, mend: &str, index: &str) -> String {
    match index.split_once(':').or_else(|| index.split_once("..")) {
        Some((from, to)) => {
            let range = format!("{}..{}", from.trim(), to.trim());
            format!("write `{mend}`; of a list of sizes `{{ {name}[{range}].to_vec() }}`")
        }
        None if index.starts_with(char::is_alphabetic) => format!(
            "of a list of sizes write `{{ {name}[{index}] }}`; of a tensor `{mend}`, or where `{index}` is a tensor too `pick({name}, {index})`"
        ),
        None => format!("write `{mend}`; of a list of sizes `{{ {name}[{index}] }}`"),
    }
}

/// `x[…]`: one element or a range along an axis.
fn indexed(input: ParseStream, value: &Expression) -> syn::Error {
    let span = here(input);
    let Some((TokenTree::Group(group), _)) = input.cursor().token_tree() else {
        return syn::Error::new(span, "expected an index");
    };
    let name = spelled(value);
    if let ExpressionKind::Name(function) = &value.kind
        && is_function(function)
    {
        return in_parentheses(input, function);
    }
    if let ExpressionKind::Parameter(path) = &value.kind
        && path.last().is_some_and(|last| last == "shape" || last == "size")
    {
        return mistake(
            span,
            "a size is no element of a shape",
            composite::advice("shape").unwrap_or_default(),
        );
    }
    if let ExpressionKind::Call { function, .. } = &value.kind
        && composite::find(&function.to_string()).is_some_and(composite::Composite::gives_several)
    {
        let message = format!("`{function}` gives several values, not a tuple to be indexed");
        return mistake(
            span,
            message,
            format!("name them: `let (y, h) = {function}(…);`, or the first alone: `let y = …;`"),
        );
    }
    let help = match (index::taken(&name, group.stream()), &value.kind) {
        (Some(mend), ExpressionKind::Name(_)) if mend.ends_with("axis: 0)") => {
            of_name(&name, &mend, &group.stream().to_string())
        }
        (Some(mend), _) => format!("write `{mend}`"),
        (None, _) => format!(
            "`unstack({name}, 0, axis: 0)` takes one along an axis, `slice({name}, start: 0, end: 2, axis: 0)` a range, `take({name}, indices)` several, `pick({name}, indices)` one of each row, `select(mask, a, b)` where a mask holds"
        ),
    };
    tokens::foreign(span, "nothing has an index in this language", help)
}
