//! Expressions.

use super::checker::Checker;
use super::scope::{AbstractValue, Named};
use crate::signature::{spelled, written};
use crate::syntax::{Expression, ExpressionKind, Location, Operator};
use downhill_graph::dim::Dim;
use downhill_graph::error::{Error, nearest};
use downhill_nn::composite::{self, Argument};
use downhill_nn::language;
use proc_macro2::{TokenStream, TokenTree};
use syn::Ident;

impl<'a> Checker<'a> {
    pub(super) fn expression(&mut self, expression: &'a Expression) -> AbstractValue {
        let item = self.evaluated(expression);
        if let AbstractValue::Known(Argument::Value(value)) = &item {
            match &expression.kind {
                ExpressionKind::Call { .. } => value.written(&spelled(expression)),
                ExpressionKind::Binary(..) => value.written(&written(expression)),
                _ => {}
            }
        }
        item
    }

    fn evaluated(&mut self, expression: &'a Expression) -> AbstractValue {
        let location = expression.location;
        match &expression.kind {
            ExpressionKind::Integer(number) => AbstractValue::Known(Argument::Integer(*number)),
            ExpressionKind::Number(number) => AbstractValue::Known(Argument::Number(*number)),
            ExpressionKind::Bool(flag) => AbstractValue::Known(Argument::Bool(*flag)),
            ExpressionKind::Text(text) => AbstractValue::Known(Argument::Text(text.as_str().into())),
            ExpressionKind::Name(name) => self.name(name),
            ExpressionKind::Parameter(path) => self.parameter(path, location),
            ExpressionKind::Negate(operand) => {
                let operand = self.expression(operand);
                self.at(location);
                self.negate(operand)
            }
            ExpressionKind::Not(operand) => self.not(operand),
            ExpressionKind::Logical(connective, left, right) => self.connected(*connective, left, right),
            ExpressionKind::If(choice) => self.choice(choice, None, location),
            ExpressionKind::Binary(operator, left, right) => {
                let (left, right) = (self.expression(left), self.expression(right));
                self.at(location);
                self.binary(*operator, left, right)
            }
            ExpressionKind::Call { function, arguments } => self.call(function, arguments, location),
            ExpressionKind::PathCall { arguments, .. } => {
                for argument in arguments {
                    // A plain Rust value may be handed on; everything else must make sense here.
                    if !self.is_rust_value(argument) {
                        self.expression(argument);
                    }
                }
                self.unsure = true;
                AbstractValue::Unknown
            }
            ExpressionKind::Shape(parts) => self.shape_of(parts, location),
            ExpressionKind::Tuple(parts) => self.together(parts, location),
            ExpressionKind::Scan(scan) => self.scan(scan, location),
            ExpressionKind::Rust(tokens) => self.rust(tokens),
            ExpressionKind::Whatever => AbstractValue::Unknown,
        }
    }

    /// `{ … }`, which Rust computes: it sees the network's arguments, not its values.
    fn rust(&mut self, tokens: &TokenStream) -> AbstractValue {
        let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let own = bound_in(&trees);
        let mut seen = seen_in(&trees).into_iter().filter(|name| !own.contains(name));
        match seen.find(|name| self.is_tensor(name)) {
            Some(name) if trees.first().is_some_and(|first| first.to_string() == "let") => {
                let error = Error::new(
                    "braces hold Rust, which sees no values of the network such as `{name}`"
                        .replace("{name}", &name.to_string()),
                );
                self.fail(
                    Location::at(name.span()),
                    error.help("write the `let` as a statement of its own, before this one"),
                )
            }
            Some(name) if !binds(&trees) => {
                let error = Error::new(format!(
                    "`{name}` is a value of the network, which Rust in `{{ … }}` does not see"
                ));
                self.fail(Location::at(name.span()), error.help("leave out the braces"))
            }
            _ => AbstractValue::Unknown,
        }
    }

    fn is_tensor(&self, name: &Ident) -> bool {
        let item = match self.scopes.find(&name.to_string()) {
            Some(Named::Value(item) | Named::Fixed(_, item)) => item,
            _ => return false,
        };
        matches!(item, AbstractValue::Known(Argument::Value(_) | Argument::Several(_)))
    }

    /// `[a, b]`, a list of sizes. What is no list is one mistake, at its first part that is no size.
    fn shape_of(&mut self, parts: &'a [Expression], location: Location) -> AbstractValue {
        let mut dims = Vec::new();
        for part in parts {
            // A matrix of numbers is no list of sizes either: its first number says so.
            if let Some(error) = self.values_in_list(parts, part) {
                return self.fail(part.location, error);
            }
            let dim = self.size_if_any(part).filter(|_| !matches!(part.kind, ExpressionKind::Shape(_)));
            let Some(dim) = dim else {
                self.unsure = true;
                return AbstractValue::Unknown;
            };
            dims.push(Argument::Dim(dim));
        }
        self.at(location);
        AbstractValue::Known(language::list(&self.builder, &dims))
    }

    /// The mistake of a list of values or of numbers with a point, which is no list of sizes.
    fn values_in_list(&mut self, parts: &[Expression], part: &Expression) -> Option<Error> {
        let is_value = match &part.kind {
            ExpressionKind::Number(number) => number.fract() != 0.0 || parts.len() > 1,
            ExpressionKind::Name(name) => self.is_tensor(name),
            ExpressionKind::Call { .. } => true,
            _ => false,
        };
        let all: Vec<String> = parts.iter().map(spelled).collect();
        let all = all.join(", ");
        let help = match part.kind {
            ExpressionKind::Number(_) if parts.len() == 1 => {
                "a tensor of one number is `full([4], 0.5)`".into()
            }
            ExpressionKind::Number(_) => format!("a tensor of numbers is `stack({all})`"),
            _ if parts.len() == 1 => {
                "what repeats is a loop: `for i in 0..3 { h = relu(linear(h, width)); }`".into()
            }
            _ => {
                format!("values beside each other are `concatenate({all})`, along a new axis `stack({all})`")
            }
        };
        is_value.then(|| {
            Error::new(format!("`{}` is no size", spelled(part)))
                .help(format!("a list in brackets holds sizes; {help}"))
        })
    }

    pub(super) fn is_rust_value(&self, expression: &Expression) -> bool {
        let ExpressionKind::Name(name) = &expression.kind else { return false };
        matches!(self.scopes.find(&name.to_string()), Some(Named::Rust))
    }

    pub(super) fn name(&mut self, name: &Ident) -> AbstractValue {
        let (text, location) = (name.to_string(), Location::at(name.span()));
        if self.frames.is_empty() {
            self.used.insert(text.clone());
        }
        match self.scopes.find(&text) {
            Some(Named::Argument(item) | Named::Size(item) | Named::Value(item) | Named::Fixed(_, item)) => {
                item.clone()
            }
            Some(Named::Rust) => {
                let error = Error::new(format!("`{name}` is neither a number nor a size"));
                let types = "sizes are declared as `usize`, lists of them as `Vec<usize>`, numbers as f32 or f64, flags as bool";
                self.fail(location, error.help(format!("{types}; Rust turns it into one: `{{ f({name}) }}`")))
            }
            Some(Named::Instance(shared)) => {
                let error = Error::new(format!(
                    "`{name}` is a shared instance of `{}`, not a value",
                    shared.function
                ));
                self.fail(location, error.help(format!("use it: `{name}(…)`")))
            }
            None => self.unknown_name(&text, location),
        }
    }

    pub(super) fn unknown_name(&mut self, name: &str, location: Location) -> AbstractValue {
        let error = Error::new(format!("nothing is called `{name}` here"));
        let near = nearest(name, self.scopes.names()).map(str::to_owned);
        let callable = composite::find(name).is_some() || self.layer(name).is_some();
        let advice = composite::name_advice(name).or_else(|| composite::advice(name).map(str::to_owned));
        let error =
            if near.is_none() && advice.is_none() && !callable { self.with_names(error) } else { error };
        let help = match (advice, near) {
            _ if self.slices.iter().any(|slice| slice == name) => {
                format!(
                    "`{name}` is there in the body alone, and what is carried starts before: `zeros([batch, units])`, or `unstack(x, 0, axis: 1)`"
                )
            }
            _ if composite::is_activation(name) && self.layer(name).is_none() => {
                format!("an activation is called around a value: `{name}(linear(x, 8))`")
            }
            _ if callable => format!("`{name}` is a function: `{name}(…)`"),
            _ if self.frames.is_empty() && self.bound.contains(name) => {
                format!("`{name}` is declared further down: move that statement before this one")
            }
            (Some(advice), None) => advice,
            (Some(advice), Some(near)) => format!("did you mean `{near}`? {advice}"),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => self.undeclared(name),
        };
        self.fail(location, error.help(help))
    }

    /// The mistake with the names of values in sight, if they are few.
    fn with_names(&self, error: Error) -> Error {
        let names = self
            .scopes
            .names()
            .filter(|name| matches!(self.scopes.find(name), Some(Named::Value(_) | Named::Fixed(..))));
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        if names.is_empty() || names.len() > 8 {
            error
        } else {
            error.note(format!("values here are {}", names.join(", ")))
        }
    }

    /// What a name that stands for nothing was to be declared as.
    fn undeclared(&self, name: &str) -> String {
        match (self.in_loss, self.frames.last()) {
            (true, None) => {
                format!("declare it: `target {name}: [batch, …];` if it is given, or `let {name} = …;`")
            }
            (_, Some(frame)) => {
                format!(
                    "a layer sees its arguments alone: add `{name}` to those of `{}`, or write `let {name} = …;`",
                    frame.layer
                )
            }
            (false, None) if self.scopes.depth() == 1 && !self.lone => {
                format!("declare it before: `input {name}: [batch, …];` if it is given, or `let {name} = …;`")
            }
            (false, None) => format!("declare it before: `let {name} = …;`"),
        }
    }

    pub(super) fn unknown_size(&mut self, name: &Ident) -> AbstractValue {
        let error = Error::new(format!("no size is called `{name}` here"));
        let near = nearest(&name.to_string(), self.scopes.names());
        let near = near.map(|near| format!("did you mean `{near}`?"));
        let help = match composite::find(&name.to_string()) {
            Some(_) => {
                "a list holds sizes, not functions; one of two is chosen by `if n == 1 { relu(h) } else { tanh(h) }`"
            }
            None => "sizes are arguments, and what inputs (or the head of a layer) name",
        };
        self.fail(Location::at(name.span()), error.help(near.unwrap_or_else(|| help.to_owned())))
    }

    /// `h.weight`.
    fn parameter(&mut self, path: &[String], location: Location) -> AbstractValue {
        let name = path.join(".");
        self.at(location);
        // Which parameter it is, or whether there is one, depends on the branch taken.
        if self.scopes.find(&path[0]).is_some() && path.iter().any(|part| self.open_names.contains(part)) {
            return AbstractValue::Unknown;
        }
        if let Some(value) = self.builder.find_storage(&name) {
            return AbstractValue::value(value);
        }

        match &path[0] {
            base if self.scopes.find(base).is_none() && composite::find(base).is_some() => {
                let error =
                    Error::new(format!("`{base}` is a function, and has no `{}`", path[1..].join(".")));
                let help = format!(
                    "a parameter is named after its binding: `h.{0}` of `let h = {base}(…);`",
                    path[1..].join(".")
                );
                self.fail(location, error.help(help))
            }
            base if self.scopes.find(base).is_none() => self.unknown_name(base, location),
            // What is missing may have been made where the check cannot look.
            _ if self.unsure => AbstractValue::Unknown,
            _ => {
                let value = language::stored(&self.builder, &name);
                self.result(value)
            }
        }
    }

    fn negate(&mut self, operand: AbstractValue) -> AbstractValue {
        match operand {
            AbstractValue::Number => AbstractValue::Number,
            other => match other.stand_in() {
                Some(operand) => self.known(language::negate(&self.builder, &operand)),
                None => AbstractValue::Unknown,
            },
        }
    }

    fn binary(&mut self, operator: Operator, left: AbstractValue, right: AbstractValue) -> AbstractValue {
        let arithmetic = matches!(operator, Operator::Add | Operator::Sub | Operator::Mul | Operator::Div);
        let numbers = self.is_build_number(&left) && self.is_build_number(&right);
        let plain = |item: &AbstractValue| {
            matches!(item, AbstractValue::Known(Argument::Dim(_) | Argument::Integer(_)))
        };
        if numbers && arithmetic && !(plain(&left) && plain(&right)) && !both_written(&left, &right) {
            return AbstractValue::Number;
        }
        if numbers && operator.compares() || is_flag(&left) && is_flag(&right) && operator.equates() {
            return self.comparison(operator, left, right);
        }

        // Beside a tensor any number will do: no shape depends on it.
        match (left.stand_in(), right.stand_in()) {
            (Some(left), Some(right)) => self.known(language::binary(&self.builder, operator, &left, &right)),
            _ => {
                self.unsure = true;
                AbstractValue::Unknown
            }
        }
    }

    /// Whether numbers or flags compare so.
    fn comparison(&mut self, operator: Operator, left: AbstractValue, right: AbstractValue) -> AbstractValue {
        let (AbstractValue::Known(left), AbstractValue::Known(right)) = (left, right) else {
            return AbstractValue::Flag;
        };
        let holds = language::compare(&self.builder, operator, &left, &right);
        holds.map_or(AbstractValue::Flag, |flag| AbstractValue::Known(Argument::Bool(flag)))
    }

    /// True for what is a number when the network is built.
    pub(super) fn is_build_number(&self, item: &AbstractValue) -> bool {
        match item {
            AbstractValue::Number | AbstractValue::Known(Argument::Number(_) | Argument::Integer(_)) => true,
            AbstractValue::Known(Argument::Dim(dim)) => {
                dim.symbols().iter().all(|symbol| !self.run_symbols.contains(&**symbol))
            }
            _ => false,
        }
    }

    pub(super) fn known(&mut self, argument: Argument) -> AbstractValue {
        match argument {
            Argument::Value(value) => self.result(value),
            Argument::Unknown => {
                self.unsure = true;
                AbstractValue::Unknown
            }
            other => AbstractValue::Known(other),
        }
    }

    /// An expression as a size: a new symbol where it is not known.
    pub(super) fn size(&mut self, expression: &'a Expression) -> Dim {
        self.size_if_any(expression).unwrap_or_else(|| self.builder.fresh_dim("unknown"))
    }

    /// The same; `None` for what is no size, which is told.
    fn size_if_any(&mut self, expression: &'a Expression) -> Option<Dim> {
        let item = match &expression.kind {
            ExpressionKind::Name(name) if self.scopes.find(&name.to_string()).is_none() => {
                self.unknown_size(name)
            }
            _ => self.expression(expression),
        };
        self.at(expression.location);
        match item {
            // A number may come out whole.
            AbstractValue::Number | AbstractValue::Unknown => Some(self.builder.fresh_dim("unknown")),
            other => other.stand_in().and_then(|argument| language::dim(&self.builder, &argument)),
        }
    }
}

/// Whether Rust's tokens may bind names of their own.
fn binds(trees: &[TokenTree]) -> bool {
    trees.iter().any(|tree| match tree {
        TokenTree::Ident(word) => {
            ["let", "move", "for", "match", "fn", "const"].iter().any(|known| word == known)
        }
        TokenTree::Punct(punct) => punct.as_char() == '|',
        TokenTree::Group(group) => binds(&group.stream().into_iter().collect::<Vec<_>>()),
        TokenTree::Literal(_) => false,
    })
}

/// The names that `let`s of a block bind.
fn bound_in(trees: &[TokenTree]) -> Vec<Ident> {
    let words: Vec<&Ident> = trees
        .iter()
        .filter_map(|tree| if let TokenTree::Ident(word) = tree { Some(word) } else { None })
        .filter(|word| *word != "mut")
        .collect();
    words.windows(2).filter(|two| two[0] == "let").map(|two| two[1].clone()).collect()
}

/// The names in Rust's tokens that are neither members of something nor paths.
fn seen_in(trees: &[TokenTree]) -> Vec<Ident> {
    let is_punct = |tree: Option<&TokenTree>, sign: char| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
    let mut names = Vec::new();
    for (position, tree) in trees.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| trees.get(before));
        let behind = trees.get(position + 1);
        match tree {
            TokenTree::Group(group) => names.extend(seen_in(&group.stream().into_iter().collect::<Vec<_>>())),
            TokenTree::Ident(name)
                if !is_punct(before, '.') && !is_punct(before, ':') && !is_punct(behind, ':') =>
            {
                names.push(name.clone());
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    names
}

fn is_flag(item: &AbstractValue) -> bool {
    matches!(item, AbstractValue::Flag | AbstractValue::Known(Argument::Bool(_)))
}

/// Two numbers that the source itself gives.
fn both_written(left: &AbstractValue, right: &AbstractValue) -> bool {
    let written = |item: &AbstractValue| match item {
        AbstractValue::Known(Argument::Number(_) | Argument::Integer(_)) => true,
        AbstractValue::Known(Argument::Dim(dim)) => dim.as_constant().is_some(),
        _ => false,
    };
    written(left) && written(right)
}
