//! Calls of other languages and libraries, as they are written here: methods, functions of modules, layers that are made first.
//!
//! In: the input behind a value or a module's name. Out: the mistake, with the call that does the same.

use super::foreign::is_module;
use super::token::{here, mistake};
use crate::signature::written;
use crate::syntax::{Arguments, Expression, ExpressionKind};
use downhill_nn::composite::{self, Kind};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, Token, token};

/// Arguments of a call in another language: names may stand before `=`.
pub(super) struct Foreign(pub(super) Arguments);

/// An expression as it is written, if that is short.
pub(super) fn spelled(expression: &Expression) -> String {
    let short = |text: String, or: String| if text.chars().count() <= 40 { text } else { or };
    match &expression.kind {
        ExpressionKind::Call { function, arguments } => {
            short(format!("{function}({})", given(arguments)), format!("{function}(…)"))
        }
        _ => written(expression),
    }
}

/// Arguments as they are written.
fn given(arguments: &Arguments) -> String {
    let named = arguments.named.iter().map(|(name, value)| format!("{name}: {}", spelled(value)));
    arguments.positional.iter().map(spelled).chain(named).collect::<Vec<_>>().join(", ")
}

/// Arguments of `function` in another language as they are written here: under their names here, without those that nothing takes.
fn translated(function: &str, arguments: &Arguments) -> Vec<String> {
    let parameters = composite::find(function).map_or(&[][..], |known| known.parameters);
    let named = arguments.named.iter().filter_map(|(name, value)| {
        let word = name.to_string();
        let known = composite::likely_argument(&word, parameters).unwrap_or(&word);
        let is_refused = known == word && composite::argument_advice(&word).is_some();
        let value = match spelled(value).as_str() {
            "True" => "true".to_owned(),
            "False" => "false".to_owned(),
            other => other.to_owned(),
        };
        (!is_refused && value != "None").then(|| format!("{known}: {value}"))
    });
    let takes_values = parameters.first().is_some_and(|first| first.kind == Kind::Tensors);
    let positional = match arguments.positional.as_slice() {
        // Values in a list are values one after another here.
        [Expression { kind: ExpressionKind::Shape(parts), .. }] if takes_values => parts,
        positional => positional,
    };
    positional.iter().map(spelled).chain(named).collect()
}

/// `.relu().sum(1)` behind `value`: methods, as calls around each other.
pub(super) fn methods(input: ParseStream, value: &str) -> syn::Result<syn::Error> {
    match chain(input, value)? {
        (Some(name), mend) => Ok(called_as_method(&name, &mend)),
        (None, _) => {
            let help =
                "values together get names: `let (a, b) = …;`; `unstack(x, 0)` takes one along an axis";
            Ok(mistake(here(input), "a value has no parts by number", help))
        }
    }
}

/// The first name of a chain of methods, and the chain as calls.
fn chain(input: ParseStream, value: &str) -> syn::Result<(Option<Ident>, String)> {
    let (mut mend, mut first): (String, Option<Ident>) = (value.to_owned(), None);
    while input.peek(Token![.]) && input.peek2(Ident::peek_any) {
        input.parse::<Token![.]>()?;
        let name = input.call(Ident::parse_any)?;
        let input_was_called = input.peek(token::Paren);
        let arguments =
            if input.peek(token::Paren) { input.parse::<Foreign>()?.0 } else { Arguments::default() };
        let text = name.to_string();
        // `.values` and the like are parts of what another library gives.
        let is_called = input_was_called || text == "T" || composite::find(&text).is_some();
        if is_called || first.is_none() {
            mend = method(&mend, &text, &arguments);
        }
        first.get_or_insert(name);
    }
    Ok((first, mend))
}

/// The mistake of `path.name(…)`: a method, or a function of another library's module.
pub(super) fn member_called(input: ParseStream, path: &[String], name: &Ident) -> syn::Result<syn::Error> {
    let (base, whole) = (path.first().map_or("", String::as_str), path.join("."));
    if is_module(base) {
        return in_module(&whole, name, input);
    }
    let arguments = input.parse::<Foreign>()?.0;
    // The whole chain is one mistake, at its first method.
    let (_, mend) = chain(input, &method(&whole, &name.to_string(), &arguments))?;
    if path.len() == 1 && arguments.named.is_empty() && OF_NUMBERS.iter().any(|known| name == known) {
        let help = format!(
            "write `{mend}`; of an argument of the network `{{ {whole}.{name}({}) }}`",
            given(&arguments)
        );
        return Ok(mistake(name.span(), format!("`{name}` is called as a method"), help));
    }
    Ok(called_as_method(name, &mend))
}

/// Methods of Rust's numbers, which arguments of a network have in `{ … }`.
const OF_NUMBERS: [&str; 8] =
    ["max", "min", "pow", "clamp", "len", "div_ceil", "saturating_sub", "next_power_of_two"];

/// The mistake of a method called `name`, which is `mend` here.
pub(super) fn called_as_method(name: &Ident, mend: &str) -> syn::Error {
    let help = match composite::advice(&name.to_string()) {
        Some(advice) if composite::find(&name.to_string()).is_none() => advice.to_owned(),
        _ if matches!(name.to_string().as_str(), "T" | "mT") => format!("write `{mend}`"),
        _ if composite::likely(&name.to_string(), composite::names()).is_none() => {
            format!(
                "values have no methods; if `{name}` is a layer of yours, it is called with them: `{name}(…)`"
            )
        }
        _ => format!("write `{mend}`"),
    };
    mistake(name.span(), format!("`{name}` is called as a method"), help)
}

/// `value.name(arguments)` as a call.
pub(super) fn method(value: &str, name: &str, arguments: &Arguments) -> String {
    let function = match name {
        "T" | "mT" => "transpose",
        _ => composite::likely(name, composite::names()).unwrap_or(name),
    };
    let given = translated(function, arguments).join(", ");
    let is_list = matches!(name, "view" | "reshape" | "permute" | "transpose") && !given.starts_with('[');
    match (given.is_empty(), is_list) {
        (true, _) => format!("{function}({value})"),
        (false, true) => format!("{function}({value}, [{given}])"),
        (false, false) => format!("{function}({value}, {given})"),
    }
}

/// The mistake of `module.name` or `module::name`, with what follows it.
pub(super) fn in_module(module: &str, name: &Ident, input: ParseStream) -> syn::Result<syn::Error> {
    let mut calls = Vec::new();
    while input.peek(token::Paren) {
        calls.push(input.parse::<Foreign>()?.0);
    }
    let mend = match calls.as_slice() {
        // A layer that is made first and called later.
        [made, x, ..] => of(&name.to_string(), made, x),
        [made]
            if name.to_string().starts_with(char::is_uppercase)
                && made.positional.iter().all(is_number)
                && composite::advice(&name.to_string()).is_none() =>
        {
            format!("write `{}`", applied(&name.to_string(), made, "x", 1))
        }
        [made] => with_arguments(&name.to_string(), made),
        [] => with_arguments(&name.to_string(), &Arguments::default()),
    };
    let message = format!("`{module}` is a module of another library: functions stand alone here");
    Ok(mistake(name.span(), message, mend))
}

pub(super) fn is_number(expression: &Expression) -> bool {
    matches!(expression.kind, ExpressionKind::Integer(_) | ExpressionKind::Number(_))
}

/// How `name(arguments)` of another library is written.
fn with_arguments(name: &str, arguments: &Arguments) -> String {
    let known = composite::likely(name, composite::names());
    match (known, composite::advice(name)) {
        (None, Some(advice)) => advice.to_owned(),
        (known, _) => {
            let function = known.unwrap_or(name);
            let given = translated(function, arguments).join(", ");
            let first = composite::find(function).and_then(|known| known.parameters.first());
            match first.is_some_and(|first| first.kind == Kind::Shape) && !given.starts_with('[') {
                true => format!("write `{function}([{given}])`"),
                false => format!("write `{function}({given})`"),
            }
        }
    }
}

/// `name(made)(x)`, a layer that is made first and called later, as one call.
fn of(name: &str, made: &Arguments, x: &Arguments) -> String {
    if let (None, Some(advice)) = (composite::likely(name, composite::names()), composite::advice(name)) {
        return advice.to_owned();
    }
    let known = composite::likely(name, composite::names()).unwrap_or(name);
    let x = translated(known, x);
    let call = applied(name, made, &x.join(", "), x.len());
    format!("write `{call}`: a layer is a function, and the size of what comes in follows from it")
}

/// What another library calls `name`, applied to `count` values: with as many arguments of those it is made of as it needs. What it has
/// too many of are sizes of what comes in.
fn applied(name: &str, made: &Arguments, x: &str, count: usize) -> String {
    let Some(known) = composite::likely(name, composite::names()).and_then(composite::find) else {
        return format!("{name}({x})");
    };
    let words = translated(known.name, &Arguments { positional: Vec::new(), named: made.named.clone() });
    let is_said = |parameter: &str| words.iter().any(|word| word.starts_with(&format!("{parameter}: ")));
    let needed: Vec<&str> =
        known.parameters.iter().filter(|it| it.default.is_none()).map(|it| it.name).collect();
    let needed: Vec<&str> =
        needed.get(count..).unwrap_or_default().iter().copied().filter(|name| !is_said(name)).collect();
    let surplus = made.positional.len().saturating_sub(needed.len());
    let is_share = |expression: &&Expression| matches!(expression.kind, ExpressionKind::Number(_));
    let mut rest: Vec<String> = match needed.as_slice() {
        [] => made.positional.iter().filter(is_share).map(spelled).collect(),
        _ => made.positional.iter().skip(surplus).map(spelled).collect(),
    };
    rest.extend(needed.iter().skip(made.positional.len()).map(|name| (*name).to_owned()));
    rest.extend(words);
    let rest: String = rest.iter().map(|argument| format!(", {argument}")).collect();
    format!("{}({x}{rest})", known.name)
}

/// `Linear(4, 10)(x)`, `3(x)`.
pub(super) fn called(input: ParseStream, value: &Expression) -> syn::Error {
    let span = here(input);
    let ExpressionKind::Call { function, arguments: made } = &value.kind else {
        return mistake(span, "a value is no function", "write `*` between factors");
    };
    match input.parse::<Foreign>() {
        Ok(Foreign(x)) => {
            let message = format!("`{function}(…)` gives a value, which is not called");
            mistake(function.span(), message, of(&function.to_string(), made, &x))
        }
        Err(error) => error,
    }
}
