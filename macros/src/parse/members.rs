//! What a value has in other languages, and what modules and layers have: methods, functions, calls of what is made first.
//!
//! In: the input behind a value or a module's name. Out: the mistake, whose mend [`super::mend`] writes.

use super::calls::IN_PLACE;
use super::foreign::is_module;
use super::mend::OF_NUMBER;
use super::token::{foreign, here, mistake};
use crate::syntax::{Expression, ExpressionKind};
use downhill_nn::composite;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, Token};

/// `.relu()` behind a value.
pub(super) fn member(input: ParseStream) -> syn::Result<syn::Error> {
    let dot = here(input);
    input.parse::<Token![.]>()?;
    if !input.peek(Ident::peek_any) {
        let help = "values together get names: `let (a, b) = …;`; `unstack(x, 0)` takes one along an axis";
        return Ok(mistake(dot, "a value has no parts by number", help));
    }
    Ok(method(&input.call(Ident::parse_any)?, None))
}

/// `path.name(…)`: a method, or a function of another library's module.
pub(super) fn member_called(path: &[String], name: &Ident) -> syn::Error {
    let is_of_list = path.len() == 1 && ["len", "iter"].contains(&name.to_string().as_str());
    match path.first().is_some_and(|base| is_module(base)) && !is_of_list {
        true => in_module(&path.join("."), name),
        false => method(name, (path.len() == 1).then(|| path[0].as_str())),
    }
}

/// Methods of Rust's numbers, which arguments of a network have in `{ … }`.
const OF_NUMBERS: [&str; 8] =
    ["max", "min", "pow", "clamp", "len", "div_ceil", "saturating_sub", "next_power_of_two"];

/// The mistake of the method `name`, of what is called `of`.
fn method(name: &Ident, of: Option<&str>) -> syn::Error {
    let text = name.to_string();
    let help = match composite::advice(&text) {
        Some(advice) if composite::find(&text).is_none() => advice.to_owned(),
        _ => match composite::likely(&text, composite::names()) {
            Some(known) => usage(known),
            None => format!(
                "values have no methods; if `{name}` is a layer of yours, it is called with them: `{name}(…)`"
            ),
        },
    };
    if IN_PLACE.contains(&text.as_str()) {
        return mistake(name.span(), format!("`{name}` is called as a method"), help);
    }
    let of_number = of.filter(|_| OF_NUMBERS.contains(&text.as_str()));
    let message = format!("`{name}` is called as a method");
    match of_number {
        Some(of) => foreign(name.span(), message, format!("{help}{OF_NUMBER}`{{ {of}.{name}(…) }}`")),
        None => foreign(name.span(), message, help),
    }
}

/// How a function is called.
fn usage(known: &str) -> String {
    let signature = composite::find(known).map(|known| known.head().signature());
    format!("it is called as `{}`", signature.unwrap_or_else(|| format!("{known}(…)")))
}

/// The mistake of `module.name` or `module::name`.
pub(super) fn in_module(module: &str, name: &Ident) -> syn::Error {
    let text = name.to_string();
    let help = match (composite::likely(&text, composite::names()), composite::advice(&text)) {
        (None, Some(advice)) => advice.to_owned(),
        (Some(known), _) => usage(known),
        (None, None) => {
            format!("nothing here is called `{text}`: a `layer` of yours may be, or arithmetic does it")
        }
    };
    let message = format!("`{module}` is a module of another library: functions stand alone here");
    foreign(name.span(), message, help)
}

/// `Linear(4, 10)(x)`, `3(x)`.
pub(super) fn called(input: ParseStream, value: &Expression) -> syn::Error {
    let ExpressionKind::Call { function, .. } = &value.kind else {
        return mistake(here(input), "a value is no function", "write `*` between factors");
    };
    let text = function.to_string();
    let help = match (composite::likely(&text, composite::names()), composite::advice(&text)) {
        (None, Some(advice)) => advice.to_owned(),
        (known, _) => {
            let known = known.unwrap_or(&text);
            format!(
                "write `{known}(x, …)`: a layer is a function, and the size of what comes in follows from it"
            )
        }
    };
    foreign(function.span(), format!("`{function}(…)` gives a value, which is not called"), help)
}
