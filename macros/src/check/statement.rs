//! Statements.

use super::checker::Checker;
use super::scope::{AbstractValue, Named};
use crate::syntax::{
    Arguments, Expression, ExpressionKind, Location, Output, Statement, StatementKind, TensorType,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::{Error, nearest};
use downhill_graph::graph::StorageKind;
use downhill_graph::types::{Shape, Type};
use downhill_nn::builder::Value;
use downhill_nn::composite::{Argument, Kind};
use downhill_nn::language;
use syn::Ident;

impl<'a> Checker<'a> {
    pub(super) fn statements(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'a Statement) {
        let location = statement.location;
        match &statement.kind {
            StatementKind::Input { target, name, ty } => {
                let word = if *target { "target" } else { "input" };
                if self.at_top(word, location) {
                    self.input(*target, name, ty);
                }
            }
            StatementKind::Let { names, value } => {
                let items = self.bound_to(names, value);
                for (name, item) in names.iter().zip(items) {
                    self.shadows_nothing(name);
                    self.note_shape(name, &item);
                    self.declare(name, Named::Value(item), true);
                }
            }
            StatementKind::Rebind { names, value } => {
                let items = self.bound_to(names, value);
                for (name, item) in names.iter().zip(items) {
                    self.note_shape(name, &item);
                    self.rebind(name, item);
                }
            }
            StatementKind::Yield(value) => self.yielded(value, location),
            StatementKind::Shared { name, function, arguments } => {
                if self.is_free(name, false) {
                    self.declare_shared(name, function, arguments);
                }
            }
            StatementKind::Storage { kind, name, ty, initializer, arguments } => {
                self.storage(*kind, name, ty, (initializer, arguments));
            }
            StatementKind::Update { name, value } => self.update(name, value),
            StatementKind::Output(outputs) => {
                if self.at_top("output", location) {
                    outputs.iter().for_each(|output| self.output(output));
                }
            }
            StatementKind::Loss { name, over, value } => {
                if self.at_top("loss", location) {
                    self.loss(name.as_ref(), over, value);
                }
            }
            StatementKind::Broken(names) => {
                (self.unsure, self.broken) = (true, true);
                for name in names {
                    self.scopes.declare(&name.to_string(), Named::Value(AbstractValue::Unknown));
                }
            }
            StatementKind::For { variable, over, body } => self.for_loop(variable.as_ref(), over, body),
        }
    }

    /// Whether statements that belong straight in a network may stand here.
    fn at_top(&mut self, word: &str, location: Location) -> bool {
        let inside = match self.frames.last() {
            _ if self.scopes.is_body() => Some("in a `scan`".to_owned()),
            Some(frame) => Some(format!("in layer `{}`", frame.layer)),
            None if self.scopes.depth() > 1 => Some("in a loop".to_owned()),
            None if self.lone => Some("in a layer".to_owned()),
            None => None,
        };
        let Some(inside) = inside else { return true };
        let error = Error::new(format!("`{word}` {inside}"));
        self.error(location, error.help(format!("`{word}` stands straight in a network")));
        false
    }

    /// Evaluates the value of a binding, whose parameters are named after it.
    pub(super) fn bound(&mut self, name: &str, value: &'a Expression) -> AbstractValue {
        let builder = self.builder.clone();
        let outer = std::mem::replace(&mut self.binding, name.to_owned());
        let item = builder.scope(name, || self.expression(value));
        self.binding = outer;
        item
    }

    /// What each of some names stands for.
    fn bound_to(&mut self, names: &[Ident], value: &'a Expression) -> Vec<AbstractValue> {
        if let [name] = names {
            return vec![self.bound_alone(&name.to_string(), value)];
        }
        let texts: Vec<String> = names.iter().map(Ident::to_string).collect();
        let item = self.bound(&texts[0], value);
        self.at(value.location);
        self.unpacked(&texts, item)
    }

    /// The value of a binding to one name.
    fn bound_alone(&mut self, name: &str, value: &'a Expression) -> AbstractValue {
        match self.bound(name, value) {
            AbstractValue::Known(argument) => {
                self.at(value.location);
                let named = language::named(&self.builder, name, argument);
                self.known(named)
            }
            other => other,
        }
    }

    /// Whether a new name may be declared; `rebindable` where `name = …` would mend it.
    fn is_free(&mut self, name: &Ident, rebindable: bool) -> bool {
        let Some(known) = self.scopes.here(&name.to_string()) else { return true };
        let what = match known {
            Named::Argument(_) | Named::Rust => "an argument",
            Named::Size(_) => "a size",
            Named::Instance(_) => "a shared instance",
            Named::Fixed(what, _) => what,
            Named::Value(_) => "declared",
        };

        let error = Error::new(format!("`{name}` is {what} already"));
        let error = match known {
            Named::Value(_) if rebindable => error.help(format!("bind it anew without `let`: `{name} = …;`")),
            _ => error.help("take another name"),
        };

        self.error(Location::at(name.span()), error);
        false
    }

    /// Refuses a `let` in a loop under a name from outside: the value would be gone when the iteration ends.
    fn shadows_nothing(&mut self, name: &Ident) {
        let text = name.to_string();
        if self.scopes.here(&text).is_some() {
            return;
        }
        let help = match self.scopes.find(&text) {
            Some(Named::Value(_)) if self.scopes.is_outside(&text) => "take another name".to_owned(),
            Some(Named::Value(_)) => format!("write `{name} = …` to carry it from turn to turn"),
            Some(_) => "take another name".to_owned(),
            None => return,
        };
        let error =
            Error::new(format!("`{name}` is declared outside of the loop, and a `let` ends with its turn"));
        self.error(Location::at(name.span()), error.help(help));
    }

    fn declare(&mut self, name: &Ident, named: Named<'a>, rebindable: bool) {
        if self.is_free(name, rebindable) {
            self.scopes.declare(&name.to_string(), named);
        }
    }

    fn rebind(&mut self, name: &Ident, item: AbstractValue) {
        let text = name.to_string();
        let location = Location::at(name.span());

        match self.scopes.find(&text) {
            Some(Named::Value(_)) if self.scopes.is_outside(&text) => {
                let error = Error::new(format!("`{name}` is from outside of the scan and stays what it is"));
                return self.error(
                    location,
                    error.help(format!("carry it: `scan … along …, {name} = {name} {{ … }}`")),
                );
            }
            _ => {}
        }
        match self.scopes.find_mut(&text) {
            Some(Named::Value(known)) => *known = item,
            Some(named) => {
                let what = match named {
                    Named::Fixed(what, _) => what,
                    Named::Instance(_) => "a shared instance",
                    Named::Size(_) => "a size",
                    _ => "an argument",
                };
                let help = match what {
                    "a state" => format!("to change it in training steps, write `update {name} = …;`"),
                    _ => "give the new value a name of its own: `let … = …;`".to_owned(),
                };
                self.error(
                    location,
                    Error::new(format!("`{name}` is {what} and stays what it is")).help(help),
                );
            }
            None => {
                let error =
                    Error::new(format!("nothing is called `{name}` here, so it cannot be bound anew"));
                let near = nearest(&text, self.scopes.names());
                let near = near.map(|near| format!("did you mean `{near}`?"));
                // What seems to be missing at the end is this.
                self.broken |= text == "loss" || text == "output";
                let help = match text.as_str() {
                    "loss" => "write `loss squared_error(p, y);`, or `loss name = …;`".to_owned(),
                    "output" => "write `output p = …;`".to_owned(),
                    _ => near.unwrap_or_else(|| format!("write `let {name} = …;`")),
                };
                self.error(location, error.help(help));
                self.scopes.declare(&text, Named::Value(AbstractValue::Unknown));
            }
        }
    }

    fn input(&mut self, target: bool, name: &Ident, ty: &'a TensorType) {
        for dim in &ty.dims {
            self.introduce(dim);
        }
        let shape = self.shape(ty);
        if !self.is_free(name, false) {
            return;
        }
        self.at(Location::at(name.span()));

        let (text, element) = (name.to_string(), ty.element.unwrap_or_default());
        let (what, value) = if target {
            ("a target", self.builder.target(&text, element, shape))
        } else {
            ("an input", self.builder.input(&text, element, shape))
        };
        let item = AbstractValue::value(value);
        self.note_shape(name, &item);
        self.scopes.declare(&text, Named::Fixed(what, item));
    }

    /// Names in an input's dims that mean nothing yet are sizes that each run brings.
    fn introduce(&mut self, dim: &'a Expression) {
        match &dim.kind {
            ExpressionKind::Name(name) if self.scopes.find(&name.to_string()).is_none() => {
                let text = name.to_string();
                self.run_symbols.insert(text.clone());
                let size = AbstractValue::Known(Argument::Dim(Dim::symbol(&text)));
                self.scopes.declare(&text, Named::Size(size));
            }
            ExpressionKind::Negate(operand) => self.introduce(operand),
            ExpressionKind::Binary(_, left, right) => {
                self.introduce(left);
                self.introduce(right);
            }
            _ => {}
        }
    }

    fn shape(&mut self, ty: &'a TensorType) -> Shape {
        let dims: Vec<Argument> = ty.dims.iter().map(|dim| Argument::Dim(self.size(dim))).collect();
        self.at(ty.location);
        language::shape(&self.builder, &dims)
    }

    fn storage(
        &mut self,
        kind: StorageKind,
        name: &Ident,
        ty: &'a TensorType,
        start: (&'a Ident, &'a Arguments),
    ) {
        let shape = self.shape(ty);
        let (initializer, arguments) = start;
        let initializer = self.initializer(initializer, arguments, Location::at(initializer.span()));
        if !self.is_free(name, false) {
            return;
        }
        self.at(Location::at(name.span()));

        let (text, element) = (name.to_string(), ty.element.unwrap_or_default());
        let (what, value) = match kind {
            StorageKind::Parameter => {
                if element != Default::default() {
                    let error = Error::new(format!("parameter `{name}` is {element}"));
                    self.error(
                        ty.location,
                        error.help("parameters are f32; what is not trained is a `state`"),
                    );
                }
                ("a parameter", self.builder.parameter(&text, shape, initializer))
            }
            StorageKind::State => {
                ("a state", self.builder.state(&text, Type::new(element, shape), initializer))
            }
        };

        let item = AbstractValue::value(value);
        self.note_shape(name, &item);
        self.scopes.declare(&text, Named::Fixed(what, item));
    }

    fn update(&mut self, name: &Ident, value: &'a Expression) {
        let text = name.to_string();
        let builder = self.builder.clone();
        let next = builder.scope(&text, || self.expression(value));

        let location = Location::at(name.span());
        let (what, help) = match self.scopes.find(&text) {
            Some(Named::Fixed("a state", state)) => {
                let state = state.clone();
                self.at(location);
                let (state, next) = (self.plain(state, Kind::Tensor), self.plain(next, Kind::Tensor));
                return language::update(&self.builder, &state, &next);
            }
            Some(Named::Fixed("a parameter", _)) => {
                ("is a parameter", "losses train it; what is not trained is a `state`".to_owned())
            }
            Some(Named::Value(AbstractValue::Unknown)) => return,
            Some(Named::Value(_)) => {
                ("is no state", format!("bind it anew, `{name} = …;`, or declare a `state`"))
            }
            Some(_) => ("is no state", "declare a `state` under a name of its own".to_owned()),
            None => {
                let states = self.scopes.states();
                let near = nearest(&text, states.iter().map(String::as_str));
                let near = near.map(|near| format!("did you mean `{near}`?"));
                (
                    "is no state here",
                    near.unwrap_or_else(|| format!("declare it: `state {name}: [dims] = zeros();`")),
                )
            }
        };
        self.error(location, Error::new(format!("`{name}` {what}, so no update changes it")).help(help));
    }

    fn output(&mut self, output: &'a Output) {
        let (name, location) = (output.name.to_string(), Location::at(output.name.span()));
        let item = match &output.value {
            Some(value) => {
                let item = self.bound_alone(&name, value);
                self.note_shape(&output.name, &item);
                self.declare(&output.name, Named::Value(item.clone()), false);
                item
            }
            None => {
                self.used.insert(name.clone());
                let reference = self.scopes.find(&name).cloned();
                match reference {
                    Some(Named::Value(item) | Named::Fixed(_, item)) => item,
                    Some(_) => {
                        let error = Error::new(format!("`{name}` is no value, so it cannot be an output"));
                        self.fail(location, error.help("give a value a name: `output p = …;`"))
                    }
                    None => self.unknown_name(&name, location),
                }
            }
        };

        self.at(location);
        if let Some(value) = self.tensor(item) {
            self.builder.output(&name, &value);
        }
    }

    fn tensor(&mut self, item: AbstractValue) -> Option<Value> {
        item.stand_in().and_then(|argument| language::value(&self.builder, &argument))
    }

    fn loss(&mut self, name: Option<&Ident>, over: &[Ident], value: &'a Expression) {
        let text = name.map_or_else(|| "loss".to_owned(), Ident::to_string);
        self.in_loss = true;
        let item = self.bound_alone(&text, value);
        self.in_loss = false;
        let trained = self.over(over);
        self.at(name.map_or(value.location, |name| Location::at(name.span())));
        if let Some(value) = item.stand_in() {
            language::loss(&self.builder, &text, &value, trained);
        }
    }

    /// The mend of an unknown instance: those that there are, or the declaration.
    fn known_instances(&self, name: &Ident) -> String {
        let known: Vec<String> = self.scopes.instances().map(|known| format!("`{known}`")).collect();
        match known.is_empty() {
            true => format!("declare it: `shared {name} = …;`"),
            false => format!("shared instances are {}", known.join(", ")),
        }
    }

    /// The storages of the instances that a loss trains.
    fn over(&mut self, over: &[Ident]) -> Option<Vec<usize>> {
        let mut storages = Vec::new();
        for name in over {
            let (text, location) = (name.to_string(), Location::at(name.span()));
            let Some(Named::Instance(shared)) = self.scopes.find(&text) else {
                let error = Error::new(format!("`{name}` is no shared instance, so no loss can be over it"));
                let near =
                    nearest(&text, self.scopes.instances()).map(|near| format!("did you mean `{near}`?"));
                let help = match self.layer(&text) {
                    Some(_) => format!(
                        "one instance of the layer is declared, `shared one = {name};`, used, `one(x)`, and trained: `over one`"
                    ),
                    None => near.unwrap_or_else(|| self.known_instances(name)),
                };
                self.error(location, error.help(help));
                continue;
            };
            let own = self.builder.storages_of(shared.instance);
            if own.is_empty() && !self.unsure {
                let error = Error::new(format!("`{name}` has no parameters to train"));
                self.error(location, error.help(format!("use it before: `{name}(…)`")));
            }
            storages.extend(own);
        }

        (!over.is_empty()).then_some(storages)
    }
}
