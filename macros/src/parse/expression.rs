//! Expressions, by operator precedence (after Pratt).

use super::named::{literal, parameter, path_call};
use super::token::{comma_separated, here, mistake, nothing_left, since, word};
use super::{behind, foreign, mend};
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
    let before = input.fork();
    connected(input, Connective::Or).map_err(|error| mend::of_expression(error, &before))
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
    let Some(tighter) = level.next() else {
        let before = input.fork();
        let read = unary(input).and_then(|value| behind::nothing_foreign(input, &value).map(|()| value));
        return read.map_err(|error| mend::of_operand(error, &before));
    };
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
        if content.peek(Token![..]) {
            let help = "a loop counts up: `for i in 0..3 { … }`; a number of it in another order is Rust, `{ 2 - i }`";
            return Err(mistake(here(&content), "a range is no value", help));
        }
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
    if !input.peek(Ident) {
        return Err(no_value(input));
    }
    let name: Ident = input.parse()?;
    if input.peek(token::Paren) {
        return Ok(ExpressionKind::Call { function: name, arguments: input.parse::<Arguments>()? });
    }
    if input.peek(Token![.]) && !input.peek(Token![..]) {
        return parameter(input, &name);
    }
    Ok(ExpressionKind::Name(name))
}

/// The mistake of what is no expression.
fn no_value(input: ParseStream) -> syn::Error {
    match foreign::value(input) {
        Some((message, help)) => mistake(here(input), message, help),
        None => syn::Error::new(here(input), "expected an expression"),
    }
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

    if word(input, "elif") {
        return Err(mistake(here(input), "`elif` is not of this language", "write `else if`"));
    }
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
        return Err(mistake(here(input), message, "write `if n == 1 { a } else { b }`"));
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
