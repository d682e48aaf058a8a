//! Statements that declare: inputs, targets, shared instances, parameters and states, updates, outputs, losses.

use super::binding::{begins_rebinding, value_behind_equals};
use super::members::member;
use super::token::{here, mistake, name, semicolon, word};
use super::types::{element_type, tensor_type};
use super::{expression, foreign};
use crate::syntax::{Arguments, Output, StatementKind};
use downhill_graph::graph::StorageKind;
use downhill_nn::composite;
use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Ident, Lit, Token, token};

pub(super) fn declared(input: ParseStream, target: bool) -> syn::Result<StatementKind> {
    let before = input.fork();
    let word = if target { "target" } else { "input" };
    let name = name(input, &format!("write `{word} x: [batch, 4];`"))?;
    shape_follows(input, word, &name)?;
    let ty = tensor_type(input)?;
    ends_with_shape(input, word)?;
    semicolon(input, &before)?;
    Ok(StatementKind::Input { target, name, ty })
}

/// Refuses what stands behind the shape of an input in other languages.
fn ends_with_shape(input: ParseStream, word: &str) -> syn::Result<()> {
    let is_type = |name: &Ident| element_type(name).is_ok();
    let behind = input.fork();
    let type_follows = (behind.parse::<Token![,]>().is_ok() || behind.parse::<Token![:]>().is_ok())
        && behind.parse::<Ident>().is_ok_and(|name| is_type(&name));
    if type_follows {
        let help = "write it before the shape: `i32[batch, 4]`; f32 need not be said";
        return Err(mistake(here(input), "the type of elements stands before the shape", help));
    }
    if input.peek(Token![,]) {
        let help = format!("end it with `;` and write `{word}` again");
        return Err(mistake(here(input), format!("one `{word}` a statement"), help));
    }
    if input.peek(Token![=]) {
        let help = "leave it out; what is trained is a `param`, what is kept a `state`";
        return Err(mistake(
            here(input),
            format!("an `{word}` is given with each call and has no value here"),
            help,
        ));
    }
    Ok(())
}

/// Reads the `:` before the shape of a tensor that is declared.
fn shape_follows(input: ParseStream, word: &str, name: &Ident) -> syn::Result<()> {
    if input.peek(Token![,]) && (word == "input" || word == "target") {
        let help = format!("write `{word} {name}: [batch, 4];`, then `{word}` again");
        return Err(mistake(here(input), format!("one `{word}` a statement"), help));
    }
    if !input.peek(Token![:]) {
        let help = match word {
            "input" | "target" => format!("write `{word} {name}: [batch, 4];`, with the size of each axis"),
            _ => format!("write `{word} {name}: [4, 8] = …;`, with the size of each axis"),
        };
        return Err(mistake(here(input), format!("expected `:` and the shape of `{name}`"), help));
    }
    input.parse::<Token![:]>().map(|_| ())
}

pub(super) fn shared(input: ParseStream) -> syn::Result<StatementKind> {
    let before = input.fork();
    let help = "write `shared g = linear(8);`";
    let name = name(input, help)?;
    if !input.peek(Token![=]) {
        return Err(mistake(here(input), "expected `=`", help));
    }
    input.parse::<Token![=]>()?;
    let function = self::name(input, help)?;
    let arguments = if input.peek(token::Paren) { input.parse()? } else { Arguments::default() };
    if input.peek(Token![,]) {
        let help = "end it with `;` and write `shared` again";
        return Err(mistake(here(input), "one `shared` a statement", help));
    }
    semicolon(input, &before)?;
    Ok(StatementKind::Shared { name, function, arguments })
}

pub(super) fn storage(input: ParseStream, kind: StorageKind) -> syn::Result<StatementKind> {
    let before = input.fork();
    let word = if kind == StorageKind::State { "state" } else { "param" };
    let name = name(input, &format!("write `{word} w: [4, 8] = …;`"))?;
    shape_follows(input, word, &name)?;
    let ty = tensor_type(input)?;
    if input.peek(Token![,]) {
        let help = format!("write `{word} {name}: [4, 8] = …;`, then `{word}` again");
        return Err(mistake(here(input), format!("one `{word}` a statement"), help));
    }

    if !input.peek(Token![=]) {
        let message = format!("`{name}` has no initial value");
        return Err(mistake(here(input), message, "write `= zeros()` or another initialiser before the `;`"));
    }

    input.parse::<Token![=]>()?;
    let initializer = initializer(input)?;
    let arguments = input.parse()?;
    semicolon(input, &before)?;
    Ok(StatementKind::Storage { kind, name, ty, initializer, arguments })
}

/// The name of an initialiser, which is called.
fn initializer(input: ParseStream) -> syn::Result<Ident> {
    if input.peek(Lit) {
        let number = input.fork().parse::<Lit>().map(|number| number.to_token_stream().to_string());
        let number = number.unwrap_or_default();
        let help = match number.parse::<f64>() {
            Ok(0.0) => "write `zeros()`".to_owned(),
            Ok(_) => format!("write `constant({number})`"),
            Err(_) => format!("write `{}()`, without quotes", number.trim_matches('"')),
        };
        return Err(mistake(here(input), "an initialiser is called by its name", help));
    }
    let name =
        name(input, "an initialiser is called by its name: `zeros()`, `normal(0.0, 1.0)`, `constant(0.5)`")?;
    if foreign::is_module(&name.to_string()) && (input.peek(Token![.]) || input.peek(Token![::])) {
        return Err(initializer_of_module(input, &name));
    }
    if !input.peek(token::Paren) {
        let message = format!("`{name}` is not called");
        return Err(mistake(name.span(), message, format!("write `{name}()`")));
    }
    Ok(name)
}

/// `torch.zeros`, `nn.init.xavier_uniform_`.
fn initializer_of_module(input: ParseStream, module: &Ident) -> syn::Error {
    let mut last = module.clone();
    while let Ok(tree) = input.parse::<TokenTree>() {
        if let TokenTree::Ident(name) = tree {
            last = name;
        }
        if input.peek(token::Paren) || input.peek(Token![;]) {
            break;
        }
    }
    let known = composite::initializers().map(|known| known.name);
    let help = match composite::likely(&last.to_string(), known) {
        Some(known) => format!("write `{known}()`: the shape stands before it"),
        None => "initialisers are called by their names: `zeros()`, `normal(0.0, 1.0)`".into(),
    };
    mistake(
        module.span(),
        format!("`{module}` is a module of another library: functions stand alone here"),
        help,
    )
}

pub(super) fn update(input: ParseStream) -> syn::Result<StatementKind> {
    let name: Ident = input.parse()?;
    if input.peek(Token![:]) {
        let help = format!("declare it before, `state {name}: … = zeros();`, and write `update {name} = …;`");
        return Err(mistake(here(input), "an update declares nothing", help));
    }
    let sign = input.fork().parse::<syn::BinOp>().map(|sign| sign.to_token_stream().to_string());
    if let Some(operator) =
        sign.ok().as_deref().and_then(|sign| sign.strip_suffix('=')).filter(|it| "+-*/".contains(it))
    {
        let help = format!("write `update {name} = {name} {operator} …;`");
        return Err(mistake(here(input), format!("`{operator}=` is not of this language"), help));
    }
    Ok(StatementKind::Update { name, value: value_behind_equals(input)? })
}

pub(super) fn outputs(input: ParseStream) -> syn::Result<StatementKind> {
    let before = input.fork();
    let mut outputs = Vec::new();
    loop {
        let name = name(input, "write `output p, q;`, or `output p = …;`")?;
        if input.peek(Token![:]) && !input.peek(Token![::]) {
            return Err(mistake(here(input), "an output has no `:`", format!("write `output {name} = …;`")));
        }
        if input.peek(token::Paren) || input.peek(Token![::]) {
            return Err(mistake(
                name.span(),
                "an output needs a name",
                format!("write `output name = {name}(…);`"),
            ));
        }
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(expression::expression(input)?)
        } else {
            None
        };
        outputs.push(Output { name, value });
        if !input.peek(Token![,]) {
            break;
        }
        input.parse::<Token![,]>()?;
    }

    semicolon(input, &before)?;
    Ok(StatementKind::Output(outputs))
}

pub(super) fn loss(input: ParseStream) -> syn::Result<StatementKind> {
    if input.peek(Token![.]) {
        // `loss.backward()`, as if it were a value.
        return Err(member(input)?);
    }
    if input.peek(Token![+=]) || input.peek(Token![-=]) {
        let help = "add up in one: `loss squared_error(p, y) + 1e-4 * squares(h.weight);`, or name a second: `loss second = …;`";
        return Err(mistake(here(input), "a loss is not a variable", help));
    }
    let over_follows = |input: ParseStream| word(input, "over") && input.peek2(Ident);
    let second_is_over = || {
        let fork = input.fork();
        fork.parse::<Ident>().is_ok() && over_follows(&fork)
    };

    let named = begins_rebinding(input) || second_is_over();
    let name = if named { Some(input.parse()?) } else { None };

    let mut over = Vec::new();
    if over_follows(input) {
        input.parse::<Ident>()?;
        over.push(input.parse()?);
        while input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            over.push(input.parse()?);
        }
    }

    if name.is_some() || !over.is_empty() {
        let value = value_behind_equals(input).map_err(|error| match over_follows(input) {
            true => {
                let help = "write `loss first over g = …;`: `g` is a `shared` instance, whose parameters alone are trained";
                mistake(here(input), "`over` stands before the `=`", help)
            }
            false => error,
        })?;
        return Ok(StatementKind::Loss { name, over, value });
    }
    if input.peek(Token![:]) {
        return Err(mistake(
            here(input),
            "a loss has no `:`",
            "write `loss squared_error(p, y);`, or `loss name = …;`",
        ));
    }
    let before = input.fork();
    let value = expression::expression(input)?;
    if input.peek(Token![,]) {
        let help = "add them up with `+`, or write `loss` again with a name for each: `loss first = …;`";
        return Err(mistake(here(input), "one value a loss", help));
    }
    semicolon(input, &before)?;
    Ok(StatementKind::Loss { name, over, value })
}
