//! Expressions of other languages, as text of this one: Python with PyTorch, Keras or JAX, and Rust.
//!
//! In: tokens. Out: text; nothing where a part has no counterpart, so that what is told as a mend is one.
//!
//! ```text
//! expression = operand (operator operand)*        with `**`, `^`, `and`, `or`, `not`, `&`, `|`, `|>`
//! operand    = ["-"] primary ("." NAME [arguments] | "[" index "]" | arguments)*
//! ```

use super::calls::{self, Given};
use super::foreign::is_module;
use super::index;
use downhill_nn::composite;
use proc_macro2::{Delimiter, Group, TokenTree};

/// A whole expression.
pub(super) fn whole(trees: &[TokenTree]) -> Option<String> {
    expression(trees).map(|operand| operand.text)
}

/// The operand that `trees` begin with, and how many of them it is.
pub(super) fn first(trees: &[TokenTree]) -> Option<(String, usize)> {
    let mut reader = Reader { trees, at: 0 };
    let operand = reader.power()?;
    Some((operand.text, reader.at))
}

/// A value as text.
struct Operand {
    text: String,
    /// A sum, say, which stands in parentheses beside an operator.
    compound: bool,
}

impl Operand {
    fn one(text: impl Into<String>) -> Option<Operand> {
        Some(Operand { text: text.into(), compound: false })
    }

    fn beside_operator(self) -> String {
        if self.compound { format!("({})", self.text) } else { self.text }
    }
}

pub(super) fn is_sign(tree: &TokenTree, sign: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn expression(trees: &[TokenTree]) -> Option<Operand> {
    for (word, sign, function) in [("or", '|', "or"), ("and", '&', "and")] {
        let is_it = |at: &usize| {
            let tree = &trees[*at];
            let doubled = |other: Option<&TokenTree>| other.is_some_and(|other| is_sign(other, sign));
            let is_double = doubled(trees.get(at + 1)) || *at > 0 && doubled(trees.get(at - 1));
            let is_pipe = trees.get(at + 1).is_some_and(|next| is_sign(next, '>'));
            matches!(tree, TokenTree::Ident(name) if name == word)
                || is_sign(tree, sign) && !is_double && !is_pipe
        };
        if let Some(at) = (1..trees.len()).rev().find(is_it) {
            let (left, right) = (expression(&trees[..at])?, expression(&trees[at + 1..])?);
            return Operand::one(format!("{function}({}, {})", left.text, right.text));
        }
    }
    let piped =
        |at: &usize| is_sign(&trees[*at], '|') && trees.get(at + 1).is_some_and(|next| is_sign(next, '>'));
    if let Some(at) = (1..trees.len()).rev().find(piped) {
        return piped_into(expression(&trees[..at])?, &trees[at + 2..]);
    }
    match trees {
        [TokenTree::Ident(not), rest @ ..] if not == "not" => {
            Operand::one(format!("not({})", expression(rest)?.text))
        }
        _ => Reader { trees, at: 0 }.sequence(),
    }
}

/// `value |> function(arguments)`.
fn piped_into(value: Operand, function: &[TokenTree]) -> Option<Operand> {
    let (name, mut given) = match function {
        [TokenTree::Ident(name)] => (name, Given::default()),
        [TokenTree::Ident(name), TokenTree::Group(group)] => (name, arguments(group)?),
        _ => return None,
    };
    given.positional.insert(0, value.text);
    Operand::one(calls::call(&name.to_string(), &given)?)
}

/// What stands between commas, each part as it is written here.
fn parts(group: &Group) -> Option<Vec<String>> {
    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
    let parts = trees.split(|tree| is_sign(tree, ',')).filter(|part| !part.is_empty());
    parts.map(|part| expression(part).map(|operand| operand.text)).collect()
}

/// Arguments: `value`, `name: value` or `name=value`.
fn arguments(group: &Group) -> Option<Given> {
    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
    let mut given = Given::default();
    for part in trees.split(|tree| is_sign(tree, ',')).filter(|part| !part.is_empty()) {
        match part {
            [TokenTree::Ident(name), sign, value @ ..]
                if (is_sign(sign, '=') || is_sign(sign, ':'))
                    && !value.first().is_some_and(|next| is_sign(next, '=') || is_sign(next, ':')) =>
            {
                let word = name.to_string();
                let value = match calls::is_left_out(&word) {
                    true => String::new(),
                    false => expression(value)?.text,
                };
                given.named.push((word, value));
            }
            _ => given.positional.push(expression(part)?.text),
        }
    }
    Some(given)
}

/// Operators of two values that are written alike.
const OPERATORS: [&str; 13] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "@"];

struct Reader<'t> {
    trees: &'t [TokenTree],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t TokenTree> {
        self.trees.get(self.at)
    }

    /// Reads these signs, if they are next.
    fn sign(&mut self, signs: &str) -> bool {
        let found = signs
            .chars()
            .enumerate()
            .all(|(offset, sign)| self.trees.get(self.at + offset).is_some_and(|tree| is_sign(tree, sign)));
        if found {
            self.at += signs.len();
        }
        found
    }

    fn group(&mut self, delimiter: Delimiter) -> Option<&'t Group> {
        match self.peek() {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
                self.at += 1;
                Some(group)
            }
            _ => None,
        }
    }

    fn name(&mut self) -> Option<String> {
        let TokenTree::Ident(name) = self.peek()? else { return None };
        self.at += 1;
        Some(name.to_string())
    }

    /// Operands with operators between them, to the end.
    fn sequence(mut self) -> Option<Operand> {
        let first = self.power()?;
        if self.peek().is_none() {
            return Some(first);
        }
        let mut text = first.beside_operator();
        while self.peek().is_some() {
            let operator = OPERATORS.into_iter().find(|operator| self.sign(operator))?;
            text = format!("{text} {operator} {}", self.power()?.beside_operator());
        }
        Some(Operand { text, compound: true })
    }

    /// `x ** 2`, `x ^ 2`, or an operand.
    fn power(&mut self) -> Option<Operand> {
        if self.sign("-") {
            let operand = self.power()?.beside_operator();
            return Operand::one(format!("-{operand}"));
        }
        if self.sign("!") {
            let operand = self.power()?.beside_operator();
            return Operand::one(format!("!{operand}"));
        }
        // Nothing is borrowed here.
        self.sign("&");
        let base = self.operand()?;
        if !self.sign("**") && !self.sign("^") {
            return Some(base);
        }
        let exponent = self.power()?;
        Operand::one(format!("pow({}, {})", base.text, exponent.text))
    }

    /// A value with all methods, indices and calls behind it.
    fn operand(&mut self) -> Option<Operand> {
        let (mut value, mut last) = self.primary()?;
        loop {
            if self.peek().is_some_and(|tree| is_sign(tree, '.')) {
                (value, last) = self.member(value, last)?;
            } else if let Some(group) = self.group(Delimiter::Bracket) {
                value = indexed(value, last.as_ref(), group)?;
                last = None;
            } else if self.sign("?") {
                // Nothing fails here.
            } else {
                return Some(value);
            }
        }
    }

    /// A first value, and the call that it is.
    fn primary(&mut self) -> Option<(Operand, Option<(String, Given)>)> {
        match self.peek()? {
            TokenTree::Literal(literal) => {
                self.at += 1;
                let text = literal.to_string();
                let number =
                    ["f32", "f64", "usize", "i32", "i64"].iter().find_map(|it| text.strip_suffix(it));
                Some((Operand::one(number.unwrap_or(&text))?, None))
            }
            TokenTree::Group(group) => {
                self.at += 1;
                let is_tuple = group.stream().into_iter().any(|tree| is_sign(&tree, ','));
                match group.delimiter() {
                    Delimiter::Parenthesis if !is_tuple => {
                        let trees: Vec<TokenTree> = group.stream().into_iter().collect();
                        Some((expression(&trees)?, None))
                    }
                    Delimiter::Parenthesis | Delimiter::Bracket => {
                        Some((Operand::one(format!("[{}]", parts(group)?.join(", ")))?, None))
                    }
                    Delimiter::Brace | Delimiter::None => {
                        Some((Operand::one(format!("{{ {} }}", group.stream()))?, None))
                    }
                }
            }
            TokenTree::Ident(_) => self.named(),
            TokenTree::Punct(_) => None,
        }
    }

    /// A name, a function of a module, a layer that is made first and called later.
    fn named(&mut self) -> Option<(Operand, Option<(String, Given)>)> {
        let mut name = self.name()?;
        let is_foreign = is_module(&name);
        let mut path = name.clone();
        while is_foreign && (self.sign(".") || self.sign("::")) {
            name = self.name()?;
        }
        if !is_foreign {
            while self.sign("::") {
                path = format!("{path}::{}", self.name()?);
            }
        }

        let Some(group) = self.group(Delimiter::Parenthesis) else {
            let start = composite::likely(&name, composite::initializers().map(|it| it.name));
            if let Some(start) = start.filter(|_| is_foreign) {
                return Some((Operand::one(format!("{start}()"))?, None));
            }
            let text = match (is_foreign, name.as_str()) {
                (true, "pi") => "{ std::f64::consts::PI }",
                (true, "inf") => "{ f64::INFINITY }",
                (true, _) | (_, "self" | "lambda" | "if" | "for") => return None,
                (_, "True") => "true",
                (_, "False") => "false",
                _ => &path,
            };
            return Some((Operand::one(text)?, None));
        };
        let made = arguments(group)?;
        if let Some(x) = self.group(Delimiter::Parenthesis) {
            return Some((Operand::one(calls::applied(&name, &made, &arguments(x)?)?)?, None));
        }
        // A layer without a value is one that is made to be called.
        if name.starts_with(char::is_uppercase) && made.positional.iter().all(|text| calls::is_number(text)) {
            let x = Given { positional: vec!["x".into()], named: Vec::new() };
            return Some((Operand::one(calls::applied(&name, &made, &x)?)?, None));
        }
        let text = if path.contains("::") {
            format!("{path}({})", made.positional.join(", "))
        } else if let ("float", Some(number)) = (name.as_str(), infinite(&made)) {
            number.to_owned()
        } else if is_foreign {
            method(&name, &made)?
        } else {
            calls::call(&name, &made)?
        };
        Some((Operand::one(text)?, Some((name, made))))
    }

    /// `.name`, `.name(arguments)`, behind a value that `last` has made.
    fn member(
        &mut self,
        value: Operand,
        last: Option<(String, Given)>,
    ) -> Option<(Operand, Option<(String, Given)>)> {
        self.sign(".");
        if let Some(TokenTree::Literal(number)) = self.peek() {
            self.at += 1;
            return Some((Operand::one(format!("{}.{number}", value.text))?, None));
        }
        let name = self.name()?;
        let Some(group) = self.group(Delimiter::Parenthesis) else {
            let text = match (name.as_str(), last) {
                ("T" | "mT", _) => format!("transpose({})", value.text),
                ("values", Some((function, _))) if calls::is_tuple(&function) => value.text,
                ("indices", Some((function, given))) => calls::call(calls::second(&function)?, &given)?,
                ("shape" | "size" | "data" | "dtype" | "device", _) | (_, Some(_)) => return None,
                _ if value.compound => return None,
                _ => format!("{}.{name}", value.text),
            };
            return Some((Operand::one(text)?, None));
        };
        if calls::IN_PLACE.contains(&name.as_str()) {
            return Some((value, last));
        }
        let mut given = arguments(group)?;
        given.positional.insert(0, value.text);
        let text = method(&name, &given)?;
        Some((Operand::one(text)?, Some((name, given))))
    }
}

/// What Python's `float("inf")` is, in Rust.
fn infinite(made: &Given) -> Option<&'static str> {
    match made.positional.first()?.trim_matches(['"', '\'']) {
        "inf" => Some("{ f64::INFINITY }"),
        "-inf" => Some("{ f64::NEG_INFINITY }"),
        _ => None,
    }
}

/// A method as a call: one that nobody knows is none.
fn method(name: &str, given: &Given) -> Option<String> {
    // A function that follows its value elsewhere, `h.then(relu)`, stands around it here.
    if let ("then" | "pipe" | "apply", [value, function]) = (name, given.positional.as_slice()) {
        let given = Given { positional: vec![value.clone()], named: Vec::new() };
        return calls::call(function, &given);
    }
    let is_known = composite::likely(name, composite::names()).is_some();
    let has_form = composite::form(name, &given.positional, &given.named).is_some();
    (is_known || has_form).then(|| calls::call(name, given)).flatten()
}

/// `value[index]`, or a part of what `last` has given.
fn indexed(value: Operand, last: Option<&(String, Given)>, group: &Group) -> Option<Operand> {
    if let Some((function, given)) = last.filter(|(function, _)| calls::is_tuple(function)) {
        return match group.stream().to_string().as_str() {
            "0" => Some(value),
            "1" => Operand::one(calls::call(calls::second(function)?, given)?),
            _ => None,
        };
    }
    Operand::one(index::taken(&value.text, group.stream())?)
}
