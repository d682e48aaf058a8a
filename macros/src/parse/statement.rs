//! Statements.

use super::expression;
use super::token::{comma_separated, here, mistake, nothing_left, semicolon, since, word};
use super::types::tensor_type;
use crate::diagnose::Diagnostics;
use crate::syntax::{
    Arguments, Expression, ExpressionKind, Location, Output, Over, Statement, StatementKind,
};
use downhill_graph::graph::StorageKind;
use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Token, braced, parenthesized, token};

/// Words that begin a statement when a name follows.
const KEYWORDS: [&str; 8] = ["input", "target", "shared", "param", "state", "update", "output", "loss"];

/// Reads statements to the end, going on after a mistake with the next one.
pub(super) fn statements(input: ParseStream, diagnostics: &mut Diagnostics) -> Vec<Statement> {
    let mut statements = Vec::new();
    while !input.is_empty() {
        skip_comments(input, diagnostics);
        if !input.is_empty() {
            statements.push(statement_or_broken(input, diagnostics));
        }
    }
    statements
}

/// Reads doc comments, which may stand before every statement and are for its reader alone.
fn skip_comments(input: ParseStream, diagnostics: &mut Diagnostics) {
    match input.call(Attribute::parse_outer) {
        Ok(attributes) => {
            for attribute in attributes.iter().filter(|attribute| !attribute.path().is_ident("doc")) {
                let span = attribute.pound_token.span;
                let help = "attributes belong to a network, a layer or an argument";
                diagnostics.add_syn(&mistake(span, "an attribute on a statement", help));
            }
        }
        Err(error) => diagnostics.add_syn(&error),
    }
}

/// Reads a statement. After a mistake it is skipped; the name it would have declared is kept, so that uses of it are no mistakes.
fn statement_or_broken(input: ParseStream, diagnostics: &mut Diagnostics) -> Statement {
    let (start, declared) = (here(input), declared_name(input));
    let (before, has_block) = (input.fork(), input.peek(Token![for]));
    statement(input, diagnostics).unwrap_or_else(|error| {
        diagnostics.add_syn(&error);
        skip_statement(input, before.cursor() == input.cursor(), has_block);
        Statement { kind: StatementKind::Broken(declared), location: Location::at(start) }
    })
}

/// The name behind the first word.
fn declared_name(input: ParseStream) -> Option<Ident> {
    let fork = input.fork();
    fork.call(Ident::parse_any).ok()?;
    if fork.peek(Token![mut]) {
        fork.call(Ident::parse_any).ok()?;
    }
    fork.parse().ok()
}

/// Reads the body of a layer: statements, then the value it gives.
pub(super) fn layer_body(
    input: ParseStream,
    diagnostics: &mut Diagnostics,
) -> (Vec<Statement>, Option<Expression>) {
    let mut statements = Vec::new();
    while !input.is_empty() {
        skip_comments(input, diagnostics);
        if begins_statement(input) {
            statements.push(statement_or_broken(input, diagnostics));
            continue;
        }
        let span = here(input);
        match layer_value(input) {
            Ok(value) => return (statements, Some(value)),
            Err(error) => {
                diagnostics.add_syn(&error);
                skip_statement(input, true, false);
                if input.is_empty() {
                    return (statements, Some(expression::placeholder(span)));
                }
            }
        }
    }

    (statements, None)
}

fn layer_value(input: ParseStream) -> syn::Result<Expression> {
    let value = expression::expression(input)?;
    if input.peek(Token![;]) {
        return Err(unused(value.location.start));
    }
    nothing_left(input, "the end of the layer or an operator")?;
    Ok(value)
}

fn unused(span: proc_macro2::Span) -> syn::Error {
    mistake(span, "this value is not used", "name it: `let name = …;`")
}

fn begins_statement(input: ParseStream) -> bool {
    begins_with_keyword(input) || begins_rebinding(input)
}

fn begins_with_keyword(input: ParseStream) -> bool {
    let keyword = KEYWORDS.iter().any(|keyword| word(input, keyword)) && input.peek2(Ident);
    keyword || input.peek(Token![let]) || input.peek(Token![for]) || input.peek(Token![yield])
}

fn begins_rebinding(input: ParseStream) -> bool {
    let names = input.peek(Ident) || input.peek(token::Paren);
    names && input.peek2(Token![=]) && !input.peek2(Token![==])
}

/// `name`, or `(a, b, …)`.
pub(super) fn names(input: ParseStream) -> syn::Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        return Ok(vec![input.parse()?]);
    }
    let content;
    let parens = parenthesized!(content in input);
    let names = comma_separated(&content, |input| input.parse())?;
    if names.is_empty() {
        return Err(mistake(parens.span.open(), "names are missing", "write `(a, b) = …`"));
    }
    Ok(names)
}

/// Skips behind the next `;` (or the block of a statement that ends in one), or to the keyword of another statement.
fn skip_statement(input: ParseStream, at_its_beginning: bool, has_block: bool) {
    let mut first = at_its_beginning;
    while !input.is_empty() {
        if !first && begins_with_keyword(input) {
            return;
        }
        first = false;
        let ended = input.peek(Token![;]) || has_block && input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() || ended {
            return;
        }
    }
}

fn statement(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<Statement> {
    let (start, before) = (here(input), input.fork());
    let kind = statement_kind(input, diagnostics)?;
    Ok(Statement { kind, location: since(start, input, &before) })
}

fn statement_kind(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<StatementKind> {
    if input.peek(Token![let]) {
        return binding(input);
    }
    if input.peek(Token![for]) {
        return for_loop(input, diagnostics);
    }
    if input.peek(Token![if]) {
        return Ok(conditional(input, diagnostics));
    }

    if begins_rebinding(input) {
        let names = names(input)?;
        return Ok(StatementKind::Rebind { names, value: value_behind_equals(input)? });
    }
    if input.peek(Token![yield]) {
        return yielded(input);
    }

    let keyword = KEYWORDS.into_iter().find(|keyword| word(input, keyword)).unwrap_or("");
    if keyword.is_empty() {
        return no_statement(input);
    }

    input.call(Ident::parse_any)?;
    match keyword {
        "input" => declared(input, false),
        "target" => declared(input, true),
        "shared" => shared(input),
        "param" => storage(input, StorageKind::Parameter),
        "state" => storage(input, StorageKind::State),
        "update" => update(input),
        "output" => outputs(input),
        _ => loss(input),
    }
}

fn no_statement(input: ParseStream) -> syn::Result<StatementKind> {
    let span = here(input);
    let found: Option<Ident> = input.fork().call(Ident::parse_any).ok();
    if let Some(found) = &found
        && input.peek2(Ident)
        && found != "scan"
    {
        let wrong = found.to_string();
        let known = KEYWORDS.into_iter().chain(["let", "for"]);
        let help = downhill_graph::error::nearest(&wrong, known).map_or_else(
            || {
                "statements begin with input, target, let, shared, param, state, update, for, output or loss"
                    .to_owned()
            },
            |keyword| format!("write `{keyword}`"),
        );
        return Err(mistake(span, format!("`{found}` begins no statement"), help));
    }

    expression::expression(input)?;
    Err(unused(span))
}

fn value_behind_equals(input: ParseStream) -> syn::Result<Expression> {
    input.parse::<Token![=]>()?;
    let value = expression::expression(input)?;
    semicolon(input)?;
    Ok(value)
}

fn binding(input: ParseStream) -> syn::Result<StatementKind> {
    input.parse::<Token![let]>()?;
    if input.peek(Token![mut]) {
        return Err(mistake(here(input), "`mut` is not needed", "every name can be bound anew: `name = …;`"));
    }
    let names = names(input)?;
    if input.peek(Token![:]) {
        return Err(mistake(here(input), "a `let` has no type", "shapes follow from the value"));
    }
    Ok(StatementKind::Let { names, value: value_behind_equals(input)? })
}

/// `yield value`: the last one of a body needs no `;`.
fn yielded(input: ParseStream) -> syn::Result<StatementKind> {
    input.parse::<Token![yield]>()?;
    let value = expression::expression(input)?;
    if !input.is_empty() {
        semicolon(input)?;
    }
    Ok(StatementKind::Yield(value))
}

/// Reads the body of a `scan`, in which all mistakes are told at once.
pub(super) fn scan_body(input: ParseStream) -> syn::Result<Vec<Statement>> {
    let mut diagnostics = Diagnostics::default();
    let body = statements(input, &mut diagnostics);
    diagnostics.into_syn().map_or(Ok(body), Err)
}

fn declared(input: ParseStream, target: bool) -> syn::Result<StatementKind> {
    let name = input.parse()?;
    input.parse::<Token![:]>()?;
    let ty = tensor_type(input)?;
    semicolon(input)?;
    Ok(StatementKind::Input { target, name, ty })
}

fn shared(input: ParseStream) -> syn::Result<StatementKind> {
    let name = input.parse()?;
    input.parse::<Token![=]>()?;
    let function = input.parse()?;
    let arguments =
        if input.peek(token::Paren) { expression::arguments(input)? } else { Arguments::default() };
    semicolon(input)?;
    Ok(StatementKind::Shared { name, function, arguments })
}

fn storage(input: ParseStream, kind: StorageKind) -> syn::Result<StatementKind> {
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    let ty = tensor_type(input)?;

    if !input.peek(Token![=]) {
        let message = format!("`{name}` has no initial value");
        return Err(mistake(here(input), message, "write `= zeros()` or another initialiser before the `;`"));
    }

    input.parse::<Token![=]>()?;
    let initializer: Ident = input.parse()?;
    if !input.peek(token::Paren) {
        let message = format!("`{initializer}` is not called");
        return Err(mistake(initializer.span(), message, format!("write `{initializer}()`")));
    }

    let arguments = expression::arguments(input)?;
    semicolon(input)?;
    Ok(StatementKind::Storage { kind, name, ty, initializer, arguments })
}

fn update(input: ParseStream) -> syn::Result<StatementKind> {
    let name: Ident = input.parse()?;
    if input.peek(Token![:]) {
        let help = format!("declare it before, `state {name}: … = zeros();`, and write `update {name} = …;`");
        return Err(mistake(here(input), "an update declares nothing", help));
    }
    Ok(StatementKind::Update { name, value: value_behind_equals(input)? })
}

fn outputs(input: ParseStream) -> syn::Result<StatementKind> {
    let mut outputs = Vec::new();
    loop {
        let name: Ident = input.parse()?;
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

    semicolon(input)?;
    Ok(StatementKind::Output(outputs))
}

fn loss(input: ParseStream) -> syn::Result<StatementKind> {
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
        return Ok(StatementKind::Loss { name, over, value: value_behind_equals(input)? });
    }
    let value = expression::expression(input)?;
    semicolon(input)?;
    Ok(StatementKind::Loss { name, over, value })
}

fn for_loop(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<StatementKind> {
    input.parse::<Token![for]>()?;
    let variable = if input.peek(Token![_]) {
        input.parse::<Token![_]>()?;
        None
    } else {
        Some(input.parse()?)
    };

    input.parse::<Token![in]>()?;
    let over = over(input)?;
    if !input.peek(token::Brace) {
        return Err(syn::Error::new(here(input), "expected `{` with the body of the loop"));
    }
    let content;
    braced!(content in input);
    let body = statements(&content, diagnostics);
    Ok(StatementKind::For { variable, over, body })
}

/// `from..to`, or a list.
fn over(input: ParseStream) -> syn::Result<Over> {
    let first = expression::expression(input)?;
    if input.peek(Token![..=]) {
        return Err(mistake(here(input), "a loop ends before its bound", "write `from..to + 1`"));
    }
    if input.peek(Token![..]) {
        input.parse::<Token![..]>()?;
        return Ok(Over::Range { from: first, to: expression::bound(input)? });
    }

    let is_number = matches!(first.kind, ExpressionKind::Integer(_) | ExpressionKind::Number(_));
    if is_number || !input.peek(token::Brace) {
        let message =
            if is_number { "expected `..`" } else { "expected `..`, or `{` with the body of the loop" };
        let help = "write `for _ in 0..depth { … }`, or a list: `for width in [16, 32] { … }`";
        return Err(mistake(here(input), message, help));
    }
    Ok(Over::List(first))
}

/// Refuses an `if` that stands for itself, with all of its branches.
fn conditional(input: ParseStream, diagnostics: &mut Diagnostics) -> StatementKind {
    let help = "write `let name = if … { … } else { … };`, or `name = …` for a name that is there";
    diagnostics.add_syn(&mistake(here(input), "an `if` is a value, not a statement", help));

    let mut behind_branch = false;
    while !input.is_empty() && (!behind_branch || input.peek(Token![else])) {
        behind_branch = input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() {
            break;
        }
        // Another `if` follows, or the last branch.
        if input.peek(Token![;]) {
            break;
        }
    }
    if input.peek(Token![;]) {
        let _ = input.parse::<Token![;]>();
    }
    StatementKind::Broken(None)
}
