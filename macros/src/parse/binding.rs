//! Statements that bind names: `let`, `name = …`, `yield`.

use super::token::{comma_separated, here, mistake, name, semicolon};
use super::{calls, expression};
use crate::syntax::{Expression, StatementKind};
use downhill_nn::composite;
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Ident, Token, parenthesized, token};

pub(super) fn begins_rebinding(input: ParseStream) -> bool {
    let names = input.peek(Ident) || input.peek(token::Paren);
    names && input.peek2(Token![=]) && !input.peek2(Token![==])
}

/// `name`, or `(a, b, …)`.
pub(super) fn names(input: ParseStream) -> syn::Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        return Ok(vec![name(input, "write `let h = …;`")?]);
    }
    let content;
    let parens = parenthesized!(content in input);
    let help = "every value has a name; where the first ones stand for all, fewer will do: `let (y, h) = …;`";
    let all = content.fork();
    let names = comma_separated(&content, |input| {
        if input.peek(token::Paren) {
            return Err(nested(here(&content), &all));
        }
        name(input, help)
    })?;
    if names.is_empty() {
        return Err(mistake(parens.span.open(), "names are missing", "write `(a, b) = …`"));
    }
    Ok(names)
}

/// The refusal of `(y, (h, c))`.
fn nested(span: Span, all: ParseStream) -> syn::Error {
    fn names(tokens: TokenStream) -> Vec<String> {
        let each = tokens.into_iter().flat_map(|tree| match tree {
            TokenTree::Group(group) => names(group.stream()),
            TokenTree::Ident(name) => vec![name.to_string()],
            TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
        });
        each.collect()
    }
    let all = names(all.fork().parse().unwrap_or_default());
    let help = format!("write `let ({}) = …;`: they come in this order", all.join(", "));
    mistake(span, "names stand side by side, not in each other", help)
}

pub(super) fn value_behind_equals(input: ParseStream) -> syn::Result<Expression> {
    let before = input.fork();
    input.parse::<Token![=]>()?;
    let value = expression::expression(input)?;
    if input.peek(Token![,]) {
        return Err(mistake(
            here(input),
            "one value a statement",
            "end it with `;` and begin another statement",
        ));
    }
    semicolon(input, &before)?;
    Ok(value)
}

pub(super) fn binding(input: ParseStream) -> syn::Result<StatementKind> {
    input.parse::<Token![let]>()?;
    if input.peek(Token![mut]) {
        let help = "leave it out: every name can be bound anew, `name = …;`";
        return Err(mistake(here(input), "`mut` is not needed", help));
    }
    if input.peek(Token![_]) {
        return Err(mistake(
            here(input),
            "a value that nothing uses",
            "leave the statement out, or give it a name",
        ));
    }
    if input.peek(token::Bracket) {
        return Err(mistake(here(input), "names together stand in parentheses", "write `let (a, b) = …;`"));
    }
    let names = names(input)?;
    if input.peek(Token![,]) {
        return Err(without_parentheses(input, &names[0]));
    }
    if input.peek(Token![:]) && !input.peek2(Token![=]) {
        return Err(mistake(
            here(input),
            "a `let` has no type",
            "leave it out: shapes follow from the value",
        ));
    }
    if !input.peek(Token![=]) || input.peek(Token![==]) {
        return Err(mistake(here(input), "expected `=`", format!("write `let {} = …;`", names[0])));
    }
    let value = value_behind_equals(input).map_err(|error| one_by_one(error, &names))?;
    Ok(StatementKind::Let { names, value })
}

/// The refusal of `let a, b = f(x)`.
fn without_parentheses(input: ParseStream, first: &Ident) -> syn::Error {
    let (fork, mut all) = (input.fork(), vec![first.to_string()]);
    while fork.parse::<Token![,]>().is_ok() {
        all.extend(fork.parse::<Ident>().map(|name| name.to_string()));
    }
    let function = fork.parse::<Token![=]>().and_then(|_| fork.parse::<Ident>());
    let function = function.map_or_else(|_| String::new(), |function| function.to_string());
    // Pieces, and where elements were, are other calls.
    let is_whole =
        |known: &&str| ["attention", "gru_cell", "rnn_cell", "linear", "conv", "embedding"].contains(known);
    match composite::likely(&function, composite::names())
        .filter(is_whole)
        .filter(|_| fork.peek(token::Paren))
    {
        Some(known) => {
            let help = format!("write `let {first} = {known}(…);`");
            mistake(here(input), format!("`{known}` gives one value"), help)
        }
        None => {
            let help = format!("write `let ({}) = …;`", all.join(", "));
            mistake(here(input), "names together stand in parentheses", help)
        }
    }
}

/// What other libraries give as a tuple of pieces is called once for each here.
fn one_by_one(error: syn::Error, names: &[Ident]) -> syn::Error {
    let text = error.to_string();
    let piece = text.split_once("write `").and_then(|(_, help)| help.split_once('`')).map(|(mend, _)| mend);
    match (piece.filter(|mend| mend.contains("index: 0")), names) {
        (None, [a, b]) if second(piece.unwrap_or_default()).is_some() => {
            let message = text.lines().next().unwrap_or_default();
            let (values, places) =
                (piece.unwrap_or_default(), second(piece.unwrap_or_default()).unwrap_or_default());
            mistake(error.span(), message, format!("write `let {a} = {values};`, then `let {b} = {places};`"))
        }
        (Some(mend), [a, b, ..]) => {
            let message = text.lines().next().unwrap_or_default();
            let next = mend.replace("index: 0", "index: 1");
            mistake(error.span(), message, format!("write `let {a} = {mend};`, then `let {b} = {next};`"))
        }
        _ => error,
    }
}

/// Where the elements of `sort(x)` and the like were, as another call.
fn second(call: &str) -> Option<String> {
    let (name, arguments) = call.split_once('(')?;
    calls::second(name).map(|second| format!("{second}({}", arguments.replace("axes:", "axis:")))
}

/// `yield value`: the last one of a body needs no `;`.
pub(super) fn yielded(input: ParseStream) -> syn::Result<StatementKind> {
    let before = input.fork();
    input.parse::<Token![yield]>()?;
    let value = expression::expression(input)?;
    if !input.is_empty() {
        semicolon(input, &before)?;
    }
    Ok(StatementKind::Yield(value))
}
