//! Layers and networks.

use super::token::{comma_separated, here, mistake, name, nothing_left, word};
use super::types::{result_types, tensor_type};
use super::{expression, statement};
use crate::diagnose::Diagnostics;
use crate::syntax::{
    Argument, ArgumentKind, Declarations, Gradient, Layer, LayerArgument, Network, StatementKind,
};
use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Token, Visibility, braced, parenthesized, token};

/// Reads layers and networks to the end, going on after a mistake behind the next `{ … }`.
pub(super) fn items(input: ParseStream, program: &mut Declarations, diagnostics: &mut Diagnostics) {
    if input.is_empty() {
        let error = mistake(Span::call_site(), "no network is declared", "write `pub Name(arguments) { … }`");
        diagnostics.add_syn(&error);
    }
    while !input.is_empty() {
        if input.peek(Token![;]) {
            diagnostics.add_syn(&mistake(
                here(input),
                "a network and a layer end with `}`",
                "leave the `;` out",
            ));
            let _ = input.parse::<Token![;]>();
            continue;
        }
        let name = layer_name(input);
        if let Err(error) = item(input, program, diagnostics) {
            diagnostics.add_syn(&error);
            program.broken.extend(name);
            skip_item(input);
        }
    }
}

fn item(input: ParseStream, program: &mut Declarations, diagnostics: &mut Diagnostics) -> syn::Result<()> {
    let attributes = input.call(Attribute::parse_outer)?;
    if word(input, "layer") && input.peek2(Ident) {
        program.layers.push(layer(input, attributes, diagnostics)?);
    } else {
        program.networks.push(network(input, attributes, diagnostics)?);
    }
    Ok(())
}

fn layer_name(input: ParseStream) -> Option<String> {
    let fork = input.fork();
    fork.call(Attribute::parse_outer).ok()?;
    let _ = fork.parse::<Visibility>();
    let is_layer = word(&fork, "layer") || word(&fork, "fn") || word(&fork, "def");
    fork.call(Ident::parse_any).ok()?;
    fork.parse::<Ident>().ok().filter(|_| is_layer).map(|name| name.to_string())
}

fn skip_item(input: ParseStream) {
    while !input.is_empty() {
        let Ok(tree) = input.parse::<TokenTree>() else { return };
        if matches!(&tree, TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace) {
            return;
        }
    }
}

fn layer(
    input: ParseStream,
    attributes: Vec<Attribute>,
    diagnostics: &mut Diagnostics,
) -> syn::Result<Layer> {
    input.call(Ident::parse_any)?;
    let name = name(input, "write `layer name(x) { … }`")?;
    no_type_arguments(input)?;
    if !input.peek(token::Paren) {
        let help = format!("write `layer {name}(x) {{ … }}`");
        return Err(mistake(here(input), "the arguments of a layer stand in parentheses", help));
    }
    let content;
    parenthesized!(content in input);
    let arguments = comma_separated(&content, layer_argument)?;

    let results = if input.peek(Token![->]) {
        input.parse::<Token![->]>()?;
        result_types(input)?
    } else {
        Vec::new()
    };

    if !input.peek(token::Brace) {
        let help = match input.peek(Token![:]) {
            true => "the shape that a layer gives stands behind `->`: `-> [batch, units] { … }`",
            false => "write `{ … }` around it",
        };
        return Err(mistake(here(input), format!("expected `{{` with the body of layer `{name}`"), help));
    }
    let content;
    let braces = braced!(content in input);

    let (body, value) = statement::layer_body(&content, diagnostics);
    let gradient = own_gradient(&content, diagnostics).unwrap_or_else(|error| {
        diagnostics.add_syn(&error);
        None
    });
    let value = value.unwrap_or_else(|| {
        // Where a statement was refused, the result may be what was skipped.
        if !body.iter().any(|statement| matches!(statement.kind, StatementKind::Broken(_))) {
            let help = "end the body with an expression that has no `;`";
            diagnostics.add_syn(&mistake(
                braces.span.close(),
                format!("layer `{name}` gives no value"),
                help,
            ));
        }
        expression::placeholder(name.span())
    });

    Ok(Layer { attributes, name, arguments, results, body, value, gradient })
}

/// `gradient(g) { … }`, where it stands behind the value of a layer.
fn own_gradient(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<Option<Gradient>> {
    if !statement::begins_gradient(input) {
        return Ok(None);
    }
    let help = "write `gradient(g) { … }`: `g` is the gradient that arrives";
    input.call(Ident::parse_any)?;
    let content;
    parenthesized!(content in input);
    let name = name(&content, help)?;
    if !content.is_empty() {
        return Err(mistake(here(&content), "one gradient arrives at a layer", help));
    }

    let content;
    let braces = braced!(content in input);
    let (body, value) = statement::layer_body(&content, diagnostics);
    let Some(value) = value else {
        let help = "end it with an expression that has no `;`: the gradient by the argument, or `(a, b)`";
        return Err(mistake(braces.span.close(), "a gradient gives no value", help));
    };
    nothing_left(&content, "the end of the gradient")?;
    nothing_left(input, "the end of the layer")?;
    Ok(Some(Gradient { name, body, value }))
}

fn layer_argument(input: ParseStream) -> syn::Result<LayerArgument> {
    let name = name(input, "an argument of a layer is `x: [batch, n]`, or a name alone")?;
    if input.peek(Token![=]) {
        let help = format!("leave it out: every call gives `{name}`");
        return Err(mistake(here(input), "an argument of a layer has no default", help));
    }
    let ty = if input.peek(Token![:]) {
        input.parse::<Token![:]>()?;
        Some(tensor_type(input)?)
    } else {
        None
    };
    Ok(LayerArgument { name, ty })
}

fn network(
    input: ParseStream,
    attributes: Vec<Attribute>,
    diagnostics: &mut Diagnostics,
) -> syn::Result<Network> {
    let span = here(input);
    let visibility: Visibility = input.parse()?;
    if word(input, "layer") && input.peek2(Ident) {
        return Err(mistake(
            span,
            "a layer is seen in its macro alone",
            "leave `pub` out: `layer name(x) { … }`",
        ));
    }
    begins_network(input)?;

    let name = name(input, "write `pub Name(arguments) { … }`")?;
    no_type_arguments(input)?;
    let arguments = if input.peek(token::Paren) {
        let content;
        parenthesized!(content in input);
        comma_separated(&content, |input| argument(input, diagnostics))?
    } else {
        Vec::new()
    };

    if input.peek(Token![->]) {
        let help = "leave it out: `output` and `loss` say what comes out";
        return Err(mistake(here(input), format!("network `{name}` has no result"), help));
    }
    if !input.peek(token::Brace) {
        let message = format!("expected `{{` with the body of network `{name}`");
        return Err(mistake(here(input), message, "write `{ input …; output …; loss …; }`"));
    }
    let content;
    braced!(content in input);
    let body = statement::statements(&content, diagnostics);
    Ok(Network { attributes, visibility, name, arguments, body })
}

/// Refuses what begins no network.
fn begins_network(input: ParseStream) -> syn::Result<()> {
    const WORDS: [&str; 14] = [
        "struct", "fn", "let", "input", "mod", "network", "model", "class", "def", "module", "net", "impl",
        "const", "use",
    ];
    let found = WORDS.into_iter().find(|keyword| word(input, keyword) && !input.peek2(token::Brace));
    // A network may be called so; it has no second name.
    let Some(keyword) = found.filter(|_| !input.peek2(token::Paren)) else { return Ok(()) };
    let message = format!("`{keyword}` begins neither a layer nor a network");
    let help = match keyword {
        "network" | "model" | "class" | "module" | "net" | "struct" => {
            format!("leave `{keyword}` out: `pub Name(arguments) {{ … }}` is a network")
        }
        _ => "write `layer name(…) -> […] { … }` or `pub Name(arguments) { … }`".into(),
    };
    Err(mistake(here(input), message, help))
}

/// Refuses `<…>` behind a name.
fn no_type_arguments(input: ParseStream) -> syn::Result<()> {
    if input.peek(Token![<]) {
        let help = "leave `<…>` out: sizes are arguments, `(units: usize)`, and elements are f32";
        return Err(mistake(here(input), "networks and layers have no type arguments", help));
    }
    Ok(())
}

fn argument(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<Argument> {
    let attributes = input.call(Attribute::parse_outer)?;
    if input.peek(Token![&]) || input.peek(Token![self]) || input.peek(Token![mut]) {
        let help = "leave it out: arguments are `name: usize`, and others that Rust knows";
        return Err(mistake(here(input), "a network has neither `self` nor references", help));
    }
    let name: Ident = input.parse()?;
    if !input.peek(Token![:]) {
        let message = format!("argument `{name}` of a network has no type");
        // Taken for a size, so that the type is there and nothing else is refused.
        diagnostics.add_syn(&mistake(name.span(), message, format!("write `{name}: usize`")));
        if input.peek(Token![=]) {
            let help = "leave it out: `Name::new` is given all of them";
            diagnostics.add_syn(&mistake(here(input), "an argument has no default", help));
            input.parse::<Token![=]>()?;
            input.parse::<TokenTree>()?;
        }
        return Ok(Argument { attributes, name, ty: syn::parse_quote!(usize), kind: ArgumentKind::Size });
    }
    input.parse::<Token![:]>()?;
    let span = here(input);
    let ty: syn::Type = input.parse()?;
    if matches!(&ty, syn::Type::Reference(reference) if reference.lifetime.is_none()) {
        let help = "write the type without `&`, such as `usize`, `Vec<usize>` or `String`";
        return Err(mistake(span, "a network owns its arguments", help));
    }
    if let Some(meant) = python_type(&ty) {
        return Err(mistake(span, "this is no type of Rust", format!("write `{name}: {meant}`")));
    }
    let kind = argument_kind(&ty);
    if input.peek(Token![=]) {
        let help = "leave it out: `Name::new` is given all of them";
        diagnostics.add_syn(&mistake(here(input), "an argument has no default", help));
        input.parse::<Token![=]>()?;
        input.parse::<TokenTree>()?;
    }
    Ok(Argument { attributes, name, ty, kind })
}

/// The type that is meant by one of Python.
fn python_type(ty: &syn::Type) -> Option<&'static str> {
    let syn::Type::Path(path) = ty else { return None };
    match path.path.segments.last()?.ident.to_string().as_str() {
        "int" => Some("usize"),
        "float" => Some("f64"),
        "boolean" => Some("bool"),
        "List" | "list" | "Sequence" | "tuple" => Some("Vec<usize>"),
        _ => None,
    }
}

fn argument_kind(ty: &syn::Type) -> ArgumentKind {
    let syn::Type::Path(path) = ty else { return ArgumentKind::Rust };
    match path.path.get_ident().map(Ident::to_string).as_deref() {
        Some("usize") => ArgumentKind::Size,
        Some("f32" | "f64") => ArgumentKind::Number,
        Some("bool") => ArgumentKind::Bool,
        None if is_list_of_sizes(&path.path) => ArgumentKind::Sizes,
        _ => ArgumentKind::Rust,
    }
}

/// `Vec<usize>`.
fn is_list_of_sizes(path: &syn::Path) -> bool {
    let Some(last) = path.segments.last().filter(|last| last.ident == "Vec") else { return false };
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
    let is_size = |argument: &syn::GenericArgument| matches!(argument, syn::GenericArgument::Type(syn::Type::Path(path)) if path.path.is_ident("usize"));
    arguments.args.len() == 1 && arguments.args.iter().all(is_size)
}
