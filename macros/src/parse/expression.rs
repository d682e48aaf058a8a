//! Expressions, by operator precedence (after Pratt).

use super::token::{comma_separated, here, mistake, nothing_left, since, word};
use crate::syntax::{Arguments, Choice, Connective, Expression, ExpressionKind, Location, Operator};
use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Ident, Lit, Token, braced, bracketed, parenthesized, token};

/// How tightly operators bind; each level's right operand is of the next. `||` and `&&` bind less than all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    Comparison,
    Sum,
    Product,
    Unary,
}

/// Reads an expression.
pub(super) fn expression(input: ParseStream) -> syn::Result<Expression> {
    connected(input, Connective::Or)
}

/// `a || b`, and within it `a && b`.
fn connected(input: ParseStream, connective: Connective) -> syn::Result<Expression> {
    let tighter = |input: ParseStream| match connective {
        Connective::Or => connected(input, Connective::And),
        Connective::And => binary(input, Precedence::Comparison),
    };

    let mut left = tighter(input)?;
    while reads_connective(input, connective)? {
        let right = tighter(input)?;
        let location = left.location.to(right.location);
        let kind = ExpressionKind::Logical(connective, Box::new(left), Box::new(right));
        left = Expression { kind, location };
    }

    Ok(left)
}

fn reads_connective(input: ParseStream, connective: Connective) -> syn::Result<bool> {
    match connective {
        Connective::And if input.peek(Token![&&]) => input.parse::<Token![&&]>().map(|_| true),
        Connective::Or if input.peek(Token![||]) => input.parse::<Token![||]>().map(|_| true),
        Connective::And | Connective::Or => Ok(false),
    }
}

/// Reads the end of a loop's range: it ends before the `{` of the body.
pub(super) fn bound(input: ParseStream) -> syn::Result<Expression> {
    binary(input, Precedence::Sum)
}

/// What stands for a value that is missing: nothing is known of it.
pub(super) fn placeholder(span: Span) -> Expression {
    Expression { kind: ExpressionKind::Rust(proc_macro2::TokenStream::new()), location: Location::at(span) }
}

fn binary(input: ParseStream, level: Precedence) -> syn::Result<Expression> {
    let Some(tighter) = level.next() else { return unary(input) };
    let mut left = binary(input, tighter)?;
    while let Some(operator) = operator(input, level) {
        let right = binary(input, tighter)?;
        let location = left.location.to(right.location);
        left =
            Expression { kind: ExpressionKind::Binary(operator, Box::new(left), Box::new(right)), location };
        if level == Precedence::Comparison && self::operator(&input.fork(), level).is_some() {
            let help = "write two comparisons: `and(0 < x, x < 1)`";
            return Err(mistake(here(input), "comparisons do not chain", help));
        }
    }

    Ok(left)
}

impl Precedence {
    fn next(self) -> Option<Precedence> {
        match self {
            Precedence::Comparison => Some(Precedence::Sum),
            Precedence::Sum => Some(Precedence::Product),
            Precedence::Product => Some(Precedence::Unary),
            Precedence::Unary => None,
        }
    }
}

/// Reads an operator of this level, if one is next.
fn operator(input: ParseStream, level: Precedence) -> Option<Operator> {
    macro_rules! read {
        ($($token:tt => $operator:ident),*) => {
            $(if input.peek(Token![$token]) {
                input.parse::<Token![$token]>().ok()?;
                return Some(Operator::$operator);
            })*
        };
    }

    match level {
        // Two characters before one.
        Precedence::Comparison => {
            read!(== => Equal, != => NotEqual, <= => LessEqual, >= => GreaterEqual, < => Less, > => Greater);
        }
        Precedence::Sum => {
            read!(+ => Add, - => Sub);
        }
        Precedence::Product => {
            read!(* => Mul, / => Div, @ => MatMul);
        }
        Precedence::Unary => {}
    }

    None
}

fn unary(input: ParseStream) -> syn::Result<Expression> {
    if input.peek(Token![!]) {
        let sign = Location::at(input.parse::<Token![!]>()?.span);
        let operand = unary(input)?;
        let location = sign.to(operand.location);
        return Ok(Expression { kind: ExpressionKind::Not(Box::new(operand)), location });
    }
    if !input.peek(Token![-]) {
        return primary(input);
    }
    let minus = Location::at(input.parse::<Token![-]>()?.span);
    let operand = unary(input)?;
    let location = minus.to(operand.location);
    let kind = match operand.kind {
        ExpressionKind::Integer(value) => ExpressionKind::Integer(-value),
        ExpressionKind::Number(value) => ExpressionKind::Number(-value),
        _ => ExpressionKind::Negate(Box::new(operand)),
    };
    Ok(Expression { kind, location })
}

fn primary(input: ParseStream) -> syn::Result<Expression> {
    let (start, before) = (here(input), input.fork());
    let kind = primary_kind(input)?;
    Ok(Expression { kind, location: since(start, input, &before) })
}

fn primary_kind(input: ParseStream) -> syn::Result<ExpressionKind> {
    if input.peek(token::Paren) {
        let content;
        parenthesized!(content in input);
        let inner = expression(&content)?;
        if content.peek(Token![,]) {
            content.parse::<Token![,]>()?;
            let rest = comma_separated(&content, expression)?;
            return Ok(ExpressionKind::Tuple([vec![inner], rest].concat()));
        }
        nothing_left(&content, "`)` or an operator")?;
        return Ok(inner.kind);
    }

    if input.peek(token::Bracket) {
        let content;
        bracketed!(content in input);
        return Ok(ExpressionKind::Shape(comma_separated(&content, expression)?));
    }

    if input.peek(token::Brace) {
        let content;
        braced!(content in input);
        return Ok(ExpressionKind::Rust(content.parse()?));
    }

    if input.peek(Token![if]) {
        return choice(input);
    }
    if word(input, "scan") && input.peek2(Ident) {
        return Ok(ExpressionKind::Scan(Box::new(input.parse()?)));
    }
    if input.peek(Lit) {
        return literal(input);
    }
    let path_begins = input.peek(Token![self]) || input.peek(Token![crate]) || input.peek(Token![super]);
    if path_begins || input.peek(Token![::]) || input.peek2(Token![::]) {
        return path_call(input);
    }
    if input.peek(Token![where]) {
        let help = "`select(mask, a, b)` takes a where the mask holds, else b";
        return Err(mistake(here(input), "`where` is a word of Rust's own", help));
    }
    if !input.peek(Ident) {
        return Err(syn::Error::new(here(input), "expected an expression"));
    }
    let name: Ident = input.parse()?;
    if input.peek(token::Paren) {
        return Ok(ExpressionKind::Call { function: name, arguments: arguments(input)? });
    }
    if input.peek(Token![.]) && !input.peek(Token![..]) {
        return parameter(input, &name);
    }
    if input.peek(token::Bracket) {
        let help = format!("take an element with Rust: `{{ {name}[…] }}`");
        return Err(mistake(here(input), "nothing has an index in this language", help));
    }
    Ok(ExpressionKind::Name(name))
}

/// `if condition { value } else { value }`; another `if` may follow `else`.
fn choice(input: ParseStream) -> syn::Result<ExpressionKind> {
    let keyword = input.parse::<Token![if]>()?.span;
    if input.peek(Token![let]) {
        // Read, so that what follows is not taken for a `let`.
        let span = input.parse::<Token![let]>()?.span;
        let help = "a condition compares numbers, sizes and arguments";
        return Err(mistake(span, "`if let` is not of this language", help));
    }

    let condition = expression(input)?;
    if input.peek(Token![=]) {
        return Err(mistake(here(input), "`=` gives a name", "write `==` to compare"));
    }
    let then = branch(input, ", or an operator")?;

    if !input.peek(Token![else]) {
        let help = "write `else { … }` with the value for all other cases";
        return Err(mistake(keyword, "an `if` without `else` gives no value", help));
    }
    input.parse::<Token![else]>()?;
    let otherwise = if input.peek(Token![if]) { primary(input)? } else { branch(input, "")? };
    Ok(ExpressionKind::If(Box::new(Choice { condition, then, otherwise })))
}

/// `{ value }` of an `if`; `or` is what else may stand there.
fn branch(input: ParseStream, or: &str) -> syn::Result<Expression> {
    if !input.peek(token::Brace) {
        let message = format!("expected `{{` with the value of the branch{or}");
        return Err(syn::Error::new(here(input), message));
    }

    let content;
    let braces = braced!(content in input);
    if content.is_empty() {
        return Err(mistake(braces.span.open(), "a branch without a value", "write its value: `{ x }`"));
    }
    let is_statement = content.peek(Token![let])
        || content.peek(Token![for])
        || content.peek(Ident) && content.peek2(Token![=]);
    if is_statement && !content.peek2(Token![==]) {
        let help = "name values before the `if`, or make the branch a `layer`";
        return Err(mistake(here(&content), "a branch is one value, without statements", help));
    }

    let value = expression(&content)?;
    if content.peek(Token![;]) {
        return Err(mistake(here(&content), "the value of a branch ends without `;`", "leave it out"));
    }
    nothing_left(&content, "`}` or an operator")?;
    Ok(value)
}

fn literal(input: ParseStream) -> syn::Result<ExpressionKind> {
    let literal: Lit = input.parse()?;
    let suffix = |suffix: &str, span: Span| match suffix {
        "" => Ok(()),
        _ => Err(mistake(
            span,
            format!("a number without `{suffix}`"),
            "types follow from where the number is used",
        )),
    };

    match &literal {
        Lit::Int(integer) => {
            suffix(integer.suffix(), integer.span())?;
            Ok(ExpressionKind::Integer(integer.base10_parse()?))
        }
        Lit::Float(number) => {
            suffix(number.suffix(), number.span())?;
            Ok(ExpressionKind::Number(number.base10_parse()?))
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

fn path_call(input: ParseStream) -> syn::Result<ExpressionKind> {
    let path = input.call(syn::Path::parse_mod_style)?;
    if !input.peek(token::Paren) {
        let help = "call a function `path(x)`, or put a Rust value inside `{ … }`";
        return Err(mistake(here(input), "expected `(` behind a path", help));
    }
    let arguments = arguments(input)?;
    if let Some((name, _)) = arguments.named.first() {
        let message = "a Rust function takes its arguments by position";
        return Err(mistake(name.span(), message, format!("leave out `{name}:`")));
    }
    Ok(ExpressionKind::PathCall { path, arguments: arguments.positional })
}

/// `.weight`, `.0.weight` behind a name.
fn parameter(input: ParseStream, base: &Ident) -> syn::Result<ExpressionKind> {
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
        let name: Ident = input.parse()?;
        if input.peek(token::Paren) {
            let message = format!("`{name}` is called as a method");
            let content;
            parenthesized!(content in input);
            let rest = if content.is_empty() { "" } else { ", …" };
            content.parse::<proc_macro2::TokenStream>()?;
            return Err(mistake(name.span(), message, format!("write `{name}({base}{rest})`")));
        }
        path.push(name.to_string());
    }

    Ok(ExpressionKind::Parameter(path))
}

/// `(positional, …, name: named, …)`.
pub(super) fn arguments(input: ParseStream) -> syn::Result<Arguments> {
    let content;
    parenthesized!(content in input);

    let mut arguments = Arguments::default();
    while !content.is_empty() {
        if content.peek(Ident) && content.peek2(Token![:]) && !content.peek2(Token![::]) {
            let name = content.parse()?;
            content.parse::<Token![:]>()?;
            arguments.named.push((name, expression(&content)?));
        } else {
            let value = expression(&content)?;
            if !arguments.named.is_empty() {
                let help = "positional arguments come first";
                return Err(mistake(value.location.start, "a positional argument behind a named one", help));
            }
            arguments.positional.push(value);
        }
        if content.peek(Token![,]) {
            content.parse::<Token![,]>()?;
        } else {
            nothing_left(&content, "`,`, `)` or an operator")?;
        }
    }

    Ok(arguments)
}
