//! `scan reverse step in x along time, h = start { …; yield h }`.

use super::binding::names;
use super::expression;
use super::statement;
use super::token::{here, mistake, word};
use crate::syntax::{Along, Carried, Expression, Scan, Slices};
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitInt, Token, braced, token};

/// What is sliced, before its axis is known: that may stand behind a later one.
type Open = (Ident, Expression, Option<Along>);

// A trait of the tree, since an expression holds it, and it holds statements.
impl Parse for Scan {
    fn parse(input: ParseStream) -> syn::Result<Scan> {
        scan(input)
    }
}

fn scan(input: ParseStream) -> syn::Result<Scan> {
    let keyword: Ident = input.parse()?;
    let reverse = word(input, "reverse") && input.peek2(Ident);
    if reverse {
        input.parse::<Ident>()?;
    }

    let (mut slices, mut carried): (Vec<Open>, Vec<Carried>) = (Vec::new(), Vec::new());
    while !input.peek(token::Brace) {
        if input.peek2(Token![in]) && carried.is_empty() {
            slices.push(sliced(input)?);
        } else {
            carried.push(carry(input)?);
        }
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
        } else if !input.peek(token::Brace) {
            let help = "write `scan step in x along time, h = zeros([batch, units]) { … }`";
            return Err(mistake(here(input), "expected `,`, `along` or `{` with the body of the scan", help));
        }
    }
    if slices.is_empty() {
        let help = "name what it takes slices of: `scan step in x along time`";
        return Err(mistake(keyword.span(), "a `scan` over nothing", help));
    }

    let slices = with_axes(slices)?;
    let content;
    braced!(content in input);
    let body = statement::scan_body(&content)?;
    Ok(Scan { reverse, slices, carried, body })
}

/// `step in x`, `step in x along time`.
fn sliced(input: ParseStream) -> syn::Result<Open> {
    let name = input.parse()?;
    input.parse::<Token![in]>()?;
    let of = expression::expression(input)?;
    let along = if word(input, "along") { Some(along(input)?) } else { None };
    Ok((name, of, along))
}

fn along(input: ParseStream) -> syn::Result<Along> {
    input.parse::<Ident>()?;
    if input.peek(Ident) {
        return Ok(Along::Size(input.parse()?));
    }
    let from_end = input.peek(Token![-]);
    if from_end {
        input.parse::<Token![-]>()?;
    }
    if !input.peek(LitInt) {
        return Err(mistake(
            here(input),
            "expected an axis",
            "name its size, `along time`, or its number, `along 1`",
        ));
    }
    let number: i64 = input.parse::<LitInt>()?.base10_parse()?;
    Ok(Along::Axis(if from_end { -number } else { number }))
}

/// `h = start`, `(h, c) = start`.
fn carry(input: ParseStream) -> syn::Result<Carried> {
    if !(input.peek(Ident) || input.peek(token::Paren)) {
        let help = "write `step in x along time`, then `h = start` for what is carried";
        return Err(mistake(here(input), "expected what the scan runs over or carries", help));
    }
    let names = names(input)?;
    if !input.peek(Token![=]) {
        let help = format!("give it a value before the first iteration: `{} = zeros([…])`", names[0]);
        return Err(mistake(here(input), "expected `=`", help));
    }
    input.parse::<Token![=]>()?;
    Ok(Carried { names, start: expression::expression(input)? })
}

/// What has no axis of its own takes that of the next one that has.
fn with_axes(open: Vec<Open>) -> syn::Result<Vec<Slices>> {
    let (mut slices, mut next): (Vec<Slices>, Option<Along>) = (Vec::new(), None);
    for (name, of, along) in open.into_iter().rev() {
        next = along.or(next);
        let Some(along) = next.clone() else {
            let help = "name its size, `along time`, or its number, `along 1`";
            return Err(mistake(name.span(), format!("no axis along which `{name}` is taken"), help));
        };
        slices.push(Slices { name, of, along });
    }
    slices.reverse();
    Ok(slices)
}
