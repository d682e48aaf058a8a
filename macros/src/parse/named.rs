//! Literals, paths of Rust functions, and parameters by their names.

use super::token::{here, mistake};
use super::{foreign, members};
use crate::syntax::{Arguments, ExpressionKind};
use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, Lit, Token, token};

pub(super) fn literal(input: ParseStream) -> syn::Result<ExpressionKind> {
    let literal: Lit = input.parse()?;
    let suffix = |digits: &str, suffix: &str, span: Span| match suffix {
        "" => Ok(()),
        "f32" | "f64" | "usize" | "i32" | "i64" | "u32" | "u64" => Err(mistake(
            span,
            format!("a number without `{suffix}`"),
            format!("write `{digits}`: types follow from where the number is used"),
        )),
        _ => Err(mistake(
            span,
            format!("no number ends in `{suffix}`"),
            format!("write `{digits} * {suffix}`"),
        )),
    };

    match &literal {
        Lit::Int(integer) => {
            suffix(integer.base10_digits(), integer.suffix(), integer.span())?;
            let number = integer.base10_parse().map_err(|_| {
                mistake(integer.span(), "a whole number beyond 64 bits", "write a number with a point")
            })?;
            Ok(ExpressionKind::Integer(number))
        }
        Lit::Float(number) => {
            suffix(number.base10_digits(), number.suffix(), number.span())?;
            let value: f64 = number.base10_parse()?;
            match value.is_finite() {
                true => Ok(ExpressionKind::Number(value)),
                false => Err(mistake(
                    number.span(),
                    "a number beyond those of f64",
                    "the greatest is some 1.8e308",
                )),
            }
        }
        Lit::Bool(value) => Ok(ExpressionKind::Bool(value.value)),
        Lit::Str(text) => Ok(ExpressionKind::Text(text.value())),
        other => Err(mistake(
            other.span(),
            "expected a number, `true` or `false`",
            "Rust values go inside `{ … }`",
        )),
    }
}

pub(super) fn path_call(input: ParseStream) -> syn::Result<ExpressionKind> {
    let fork = input.fork();
    if fork.parse::<Ident>().is_ok() && fork.parse::<Token![::]>().is_ok() && fork.peek(Token![<]) {
        let help = "leave out `::<…>`: types follow from the values";
        return Err(mistake(here(&fork), "nothing has a type argument", help));
    }
    let path = input.call(syn::Path::parse_mod_style)?;
    if let Some(error) = foreign_path(&path, input) {
        return Err(error);
    }
    if !input.peek(token::Paren) {
        let help = "call a function `path(x)`, or put a Rust value inside `{ … }`";
        return Err(mistake(here(input), "expected `(` behind a path", help));
    }
    let arguments: Arguments = input.parse()?;
    if let Some((name, _)) = arguments.named.first() {
        let message = "a Rust function takes its arguments by position";
        return Err(mistake(name.span(), message, format!("leave out `{name}:`")));
    }
    Ok(ExpressionKind::PathCall { path, arguments: arguments.positional })
}

/// A path of another library, `nn::Linear`, or `self` as an object.
fn foreign_path(path: &syn::Path, input: ParseStream) -> Option<syn::Error> {
    let (first, last) = (&path.segments.first()?.ident, &path.segments.last()?.ident);
    if path.segments.len() == 1 {
        let help = "a layer is called by its name, `linear(x, 8)`; `shared g = linear(8);` makes one that is used several times";
        let behind = input.fork();
        let member = behind.parse::<Token![.]>().and_then(|_| behind.call(Ident::parse_any));
        let help = match member.is_ok_and(|member| member == "parameters" || member == "named_parameters") {
            true => {
                "the optimizer decays all parameters, `adamw(0.01)`; one stands by its name: `squares(h.weight)`"
            }
            false => help,
        };
        let is_object = first == "self" && input.peek(Token![.]);
        return is_object.then(|| mistake(first.span(), "there is no `self`", help));
    }
    // A module of the user's own may have this name, and a function in it.
    let is_class = last.to_string().starts_with(char::is_uppercase);
    let is_own = first == "nn" || first == "layers" || first == "functional";
    let is_foreign = foreign::is_module(&first.to_string()) && (is_class || !is_own);
    is_foreign.then(|| members::in_module(&first.to_string(), last))
}

/// `.weight`, `.0.weight` behind a name.
pub(super) fn parameter(input: ParseStream, base: &Ident) -> syn::Result<ExpressionKind> {
    let mut path = vec![base.to_string()];
    while input.peek(Token![.]) && !input.peek(Token![..]) {
        input.parse::<Token![.]>()?;
        if input.peek(Lit) {
            // `0.1` in `h.0.1.weight` reads as one number.
            let digits = input.parse::<Lit>()?;
            let text = quote::ToTokens::to_token_stream(&digits).to_string();
            path.extend(text.split('.').map(str::to_owned));
            continue;
        }
        let name = input.call(Ident::parse_any)?;
        if input.peek(token::Paren) {
            return Err(members::member_called(&path, &name));
        }
        path.push(name.to_string());
        if foreign::is_module(&path[0]) && !input.peek(Token![.]) && path[0].len() > 1 {
            return Err(members::in_module(&path[..path.len() - 1].join("."), &name));
        }
    }

    Ok(ExpressionKind::Parameter(path))
}
