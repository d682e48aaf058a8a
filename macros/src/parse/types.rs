//! Types of tensors.

use super::token::{comma_separated, here, mistake, since, word};
use super::{expression, foreign};
use crate::syntax::{Expression, ExpressionKind, Location, TensorType};
use downhill_graph::types::ElementType;
use syn::parse::ParseStream;
use syn::{Ident, Lit, Token, bracketed, parenthesized, token};

/// `[dims]` or `i32[dims]`.
pub(super) fn tensor_type(input: ParseStream) -> syn::Result<TensorType> {
    typed(input, |input| {
        if input.peek(Token![_]) {
            let help = "name the size, as in `[batch, n]`";
            return Err(mistake(here(input), "`_` stands only in the shape that a layer gives", help));
        }
        let is_open =
            word(input, "None") || input.peek(Token![?]) || input.peek(Token![-]) && input.peek2(Lit);
        if is_open {
            let help = "name it, as in `[batch, n]`: every name is a size of its own";
            return Err(mistake(here(input), "a size that the data decides has a name", help));
        }
        expression::expression(input)
    })
}

/// What a layer gives: one type, or several in parentheses.
pub(super) fn result_types(input: ParseStream) -> syn::Result<Vec<TensorType>> {
    if !input.peek(token::Paren) {
        return Ok(vec![result_type(input)?]);
    }
    let content;
    let parens = parenthesized!(content in input);
    let types = comma_separated(&content, result_type)?;
    if types.is_empty() {
        return Err(mistake(
            parens.span.open(),
            "a layer gives a value",
            "write its shape: `-> [batch, units]`",
        ));
    }
    Ok(types)
}

/// The same as a type, where `_` is whatever comes out.
fn result_type(input: ParseStream) -> syn::Result<TensorType> {
    typed(input, |input| {
        if !input.peek(Token![_]) {
            return expression::expression(input);
        }
        let location = Location::at(input.parse::<Token![_]>()?.span);
        Ok(Expression { kind: ExpressionKind::Whatever, location })
    })
}

fn typed(
    input: ParseStream,
    dim: impl FnMut(ParseStream) -> syn::Result<Expression>,
) -> syn::Result<TensorType> {
    let (start, before) = (here(input), input.fork());
    let element = if input.peek(Ident) { Some(element_type(&input.parse()?)?) } else { None };
    if !input.peek(token::Bracket) {
        let help = match input.peek(token::Paren) {
            true => "put the sizes into brackets: `[batch, 2]`",
            false if input.peek(Token![&]) => {
                "leave out `&` and the type: a tensor has a shape, `[batch, 2]`"
            }
            false if input.peek(Lit) => {
                "put the size into brackets, `[4]`; a size that a layer is given has no type and no default: leave out the `:`"
            }
            false if element.is_some() => {
                "one number has no axes: `i32[]`; several have brackets with their sizes: `i32[batch]`"
            }
            false => "write `[batch, 2]` or `i32[batch]`",
        };
        return Err(mistake(here(input), "expected a shape in brackets", help));
    }

    let content;
    bracketed!(content in input);
    if let Some(error) = array(&content) {
        return Err(error);
    }
    let dims = comma_separated(&content, dim)?;
    Ok(TensorType { element, dims, location: since(start, input, &before) })
}

/// The refusal of Rust's `[f32; 4]`.
fn array(content: ParseStream) -> Option<syn::Error> {
    let fork = content.fork();
    let element: Ident = fork.parse().ok()?;
    fork.parse::<Token![;]>().ok()?;
    let size = fork.cursor().token_stream().to_string();
    let element = element.to_string();
    let help = match (element.as_str(), foreign::element(&element)) {
        ("f32", _) | (_, Some("f32")) => format!("write `[{size}]`: the sizes of all axes"),
        ("f64" | "i32" | "u32" | "bool", _) | (_, Some(_)) => {
            format!("write `{element}[{size}]`: the sizes of all axes")
        }
        _ => format!("a comma stands between sizes: `[{element}, {size}]`"),
    };
    Some(mistake(content.span(), "a shape is no array of Rust", help))
}

pub(super) fn element_type(name: &Ident) -> syn::Result<ElementType> {
    let all = [ElementType::F32, ElementType::F64, ElementType::I32, ElementType::U32, ElementType::Bool];
    all.into_iter().find(|element| name == element.name()).ok_or_else(|| {
        let help = match (foreign::element(&name.to_string()), name.to_string().as_str()) {
            (Some(element), _) => format!("write `{element}`"),
            (None, "Tensor" | "Array" | "ndarray" | "Matrix" | "Vec") => {
                "write the shape alone: `[batch, 4]`, or `i32[batch]`".into()
            }
            (None, "usize") => "an argument of a layer that is no tensor has no type: leave out `: usize`".into(),
            (None, size) if !size.starts_with(char::is_uppercase) => {
                format!("a shape stands in brackets: `[{size}]`; types are f32 (which need not be written), f64, i32, u32 and bool")
            }
            _ => "f32 (which need not be written), f64, i32, u32 or bool".into(),
        };
        mistake(name.span(), format!("`{name}` is no element type"), help)
    })
}
