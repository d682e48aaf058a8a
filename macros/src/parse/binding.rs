//! Statements that bind names: `let`, `name = …`, `yield`.

use super::expression;
use super::token::{comma_separated, here, mistake, name, semicolon};
use crate::syntax::{Expression, StatementKind};
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
    let names = comma_separated(&content, |input| name(input, help))?;
    if names.is_empty() {
        return Err(mistake(parens.span.open(), "names are missing", "write `(a, b) = …`"));
    }
    Ok(names)
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
        let help = format!("write `let ({}, …) = …;`", names[0]);
        return Err(mistake(here(input), "names together stand in parentheses", help));
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
    Ok(StatementKind::Let { names, value: value_behind_equals(input)? })
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
