//! Statements: which one begins, and what is skipped after a mistake.

use super::binding::{begins_rebinding, binding, names, value_behind_equals, yielded};
use super::choice::{conditional, over};
use super::declaration::{declared, loss, outputs, shared, storage, update};
use super::token::{here, mistake, name, nothing_left, since, word};
use super::{expression, foreign};
use crate::diagnose::Diagnostics;
use crate::signature::spelled;
use crate::syntax::{Expression, ExpressionKind, Location, Statement, StatementKind};
use downhill_graph::graph::StorageKind;
use downhill_nn::composite;
use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Lit, Token, braced, token};

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
    if input.peek(Token![#]) && !input.peek2(token::Bracket) {
        let line = here(input).start().line;
        diagnostics.add_syn(&mistake(here(input), "`#` begins no comment", "a comment begins with `//`"));
        while !input.is_empty() && here(input).start().line == line && input.parse::<TokenTree>().is_ok() {}
    }
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

/// Reads a statement. After a mistake it is skipped; names it would have declared are kept, so that uses of them are no mistakes.
fn statement_or_broken(input: ParseStream, diagnostics: &mut Diagnostics) -> Statement {
    let (start, declared) = (here(input), declared_names(input));
    let (before, has_block) = (input.fork(), has_block(input));
    statement(input, diagnostics).unwrap_or_else(|error| {
        diagnostics.add_syn(&error);
        skip_statement(input, before.cursor() == input.cursor(), has_block);
        Statement { kind: StatementKind::Broken(declared), location: Location::at(start) }
    })
}

/// Whether a statement ends with a block.
fn has_block(input: ParseStream) -> bool {
    [
        "for", "while", "loop", "match", "fn", "def", "struct", "enum", "impl", "mod", "trait", "unsafe",
        "layer",
    ]
    .into_iter()
    .any(|keyword| word(input, keyword))
}

/// The names behind the first word, one or several together.
fn declared_names(input: ParseStream) -> Vec<Ident> {
    let fork = input.fork();
    if fork.call(Ident::parse_any).is_err() {
        return Vec::new();
    }
    let mut names = Vec::new();
    // Another statement begins: nothing is declared by a word before it.
    if begins_with_keyword(&fork) {
        return names;
    }
    while let Ok(tree) = fork.parse::<TokenTree>() {
        match tree {
            TokenTree::Ident(word) if word == "mut" => {}
            TokenTree::Ident(name) => names.push(name),
            TokenTree::Group(group) => {
                names.extend(names_in(group.stream()));
                break;
            }
            TokenTree::Punct(comma) if comma.as_char() == ',' => {}
            TokenTree::Punct(_) | TokenTree::Literal(_) => break,
        }
    }
    names
}

fn names_in(tokens: proc_macro2::TokenStream) -> Vec<Ident> {
    let each = tokens.into_iter().flat_map(|tree| match tree {
        TokenTree::Ident(name) => vec![name],
        TokenTree::Group(group) => names_in(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    });
    each.collect()
}

/// Whether the gradient of a layer begins, which stands behind its value: `gradient(g) { … }`.
pub(super) fn begins_gradient(input: ParseStream) -> bool {
    let behind = input.fork();
    let called =
        behind.call(Ident::parse_any).is_ok_and(|found| found == "gradient") && behind.peek(token::Paren);
    called && behind.parse::<TokenTree>().is_ok() && behind.peek(token::Brace)
}

/// Reads the body of a layer: statements, then the value it gives; its gradient is left.
pub(super) fn layer_body(
    input: ParseStream,
    diagnostics: &mut Diagnostics,
) -> (Vec<Statement>, Option<Expression>) {
    let mut statements = Vec::new();
    while !input.is_empty() {
        skip_comments(input, diagnostics);
        if begins_statement(input) || declares_something(input) {
            statements.push(statement_or_broken(input, diagnostics));
            continue;
        }
        let span = here(input);
        if begins_gradient(input) {
            let help = "write what the layer gives before it: `floor(x) gradient(g) { g }`";
            diagnostics.add_syn(&mistake(span, "a gradient stands behind the value of the layer", help));
            skip_statement(input, true, true);
            continue;
        }
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
        let help = "leave out the `;` where it is what the layer gives, or name it: `let name = …;`";
        return Err(mistake(value.location.start, "this value is not used", help));
    }
    if ["backward", "grad", "vjp", "backprop"].iter().any(|known| word(input, known))
        && input.peek2(token::Paren)
    {
        let help = "write `gradient(g) { … }`: a value for each argument of the layer that is a tensor";
        return Err(mistake(here(input), "what becomes of the gradient is said by `gradient`", help));
    }
    if !begins_gradient(input) {
        nothing_left(input, "the end of the layer or an operator")?;
    }
    Ok(value)
}

/// The refusal of a value that stands for itself: what it most likely is.
fn unused(value: &Expression) -> syn::Error {
    let text = spelled(value);
    let (name, help) = match &value.kind {
        ExpressionKind::Call { function, .. } => {
            (function.to_string(), format!("name it: `let h = {text};`"))
        }
        ExpressionKind::Name(_) => (
            String::new(),
            format!("leave it out, or write `output {text};`; the body of a `scan` says `yield {text}`"),
        ),
        _ => (String::new(), "name it: `let h = …;`".into()),
    };
    let help = match composite::advice(&name) {
        Some(advice) => advice.to_owned(),
        None if composite::is_loss(&name) => format!("write `loss {text};`"),
        None if matches!(value.kind, ExpressionKind::Name(_)) => help,
        None => format!(
            "{help}; if it is what the network gives, `output p = …;`, if it is to be minimised, `loss …;`"
        ),
    };
    mistake(value.location.start, "this value is not used", help)
}

fn begins_statement(input: ParseStream) -> bool {
    begins_with_keyword(input) || begins_rebinding(input)
}

/// Whether a word that begins no statement stands where one does: `frozen w: [2] = …`.
fn declares_something(input: ParseStream) -> bool {
    let fork = input.fork();
    fork.parse::<Ident>().is_ok()
        && fork.parse::<Ident>().is_ok()
        && (fork.peek(Token![:]) || fork.peek(Token![=]))
}

fn begins_with_keyword(input: ParseStream) -> bool {
    let keyword = KEYWORDS.iter().any(|keyword| word(input, keyword)) && input.peek2(Ident);
    keyword || input.peek(Token![let]) || input.peek(Token![for]) || input.peek(Token![yield])
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
    let is_headed =
        input.peek2(Lit) || input.peek2(token::Brace) || input.peek2(Token![:]) && !input.peek2(Token![::]);
    let declares = (input.peek2(Ident) || is_headed) && !word(input, "scan");
    if let Some(found) = &found {
        if let Some((message, help)) = foreign::statement(&found.to_string(), declares) {
            return Err(mistake(span, message, help));
        }
        if declares && !is_function(found) {
            return Err(no_keyword(found));
        }
    }

    Err(unused(&expression::expression(input)?))
}

fn is_function(name: &Ident) -> bool {
    composite::find(&name.to_string()).is_some()
}

/// The refusal of a word that begins no statement.
fn no_keyword(found: &Ident) -> syn::Error {
    let known = KEYWORDS.into_iter().chain(["let", "for"]);
    let help = match downhill_graph::error::nearest(&found.to_string(), known) {
        Some(keyword) => format!("write `{keyword}`"),
        None => "statements begin with input, target, let, shared, param, state, update, for, output or loss"
            .into(),
    };
    mistake(found.span(), format!("`{found}` begins no statement"), help)
}

/// Reads the body of a `scan`, in which all mistakes are told at once.
pub(super) fn scan_body(input: ParseStream) -> syn::Result<Vec<Statement>> {
    let mut diagnostics = Diagnostics::default();
    let body = statements(input, &mut diagnostics);
    diagnostics.into_syn().map_or(Ok(body), Err)
}

fn for_loop(input: ParseStream, diagnostics: &mut Diagnostics) -> syn::Result<StatementKind> {
    input.parse::<Token![for]>()?;
    if input.peek(token::Paren) {
        let help = "write `for width in [16, 32] { … }`, or `for i in 0..depth { … }` for numbers";
        return Err(mistake(here(input), "a loop has one variable", help));
    }
    let variable = if input.peek(Token![_]) {
        input.parse::<Token![_]>()?;
        None
    } else {
        Some(name(input, "write `for i in 0..depth { … }`")?)
    };

    input.parse::<Token![in]>()?;
    let over = over(input)?;
    if !input.peek(token::Brace) {
        let help = "put the body into braces: `for i in 0..depth { h = relu(h); }`";
        return Err(mistake(here(input), "expected `{` with the body of the loop", help));
    }
    let content;
    braced!(content in input);
    let body = statements(&content, diagnostics);
    Ok(StatementKind::For { variable, over, body })
}
