//! The tree of a declaration: what was written, and where.
//!
//! Out: [`Declarations`]. Nothing here is checked; whatever parses is representable.

use downhill_graph::graph::StorageKind;
use downhill_graph::types::ElementType;
use proc_macro2::{Span, TokenStream};
use syn::Ident;

/// A span of the source, from a first to a last token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    pub(crate) start: Span,
    pub(crate) end: Span,
}

/// All that stands in one `network! { … }`.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    pub(crate) layers: Vec<Layer>,
    pub(crate) networks: Vec<Network>,
    /// Names of layers that could not be read.
    pub(crate) broken: Vec<String>,
}

/// `pub Name(arguments) { … }`.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) attributes: Vec<syn::Attribute>,
    pub(crate) visibility: syn::Visibility,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) body: Vec<Statement>,
}

/// An argument of a network: a field of the struct, given to `new`.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) attributes: Vec<syn::Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: syn::Type,
    pub(crate) kind: ArgumentKind,
}

/// What the language makes of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    /// `usize`: a dim, a number of iterations, an integer.
    Size,
    /// `f32`, `f64`.
    Number,
    /// `bool`.
    Bool,
    /// `Vec<usize>`: a list of sizes.
    Sizes,
    /// Any other type: seen inside `{ … }` and by functions called by path only.
    Rust,
}

/// `layer name(parameters) -> [dims] { body; value }`, `-> ([dims], [dims])`.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attributes: Vec<syn::Attribute>,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<LayerArgument>,
    /// Of each value that it gives; none where it does not say.
    pub(crate) results: Vec<TensorType>,
    pub(crate) body: Vec<Statement>,
    pub(crate) value: Expression,
    /// A gradient of its own.
    pub(crate) gradient: Option<Gradient>,
}

/// `gradient(g) { body; value }`, behind the value of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    /// What arrives.
    pub(crate) name: Ident,
    pub(crate) body: Vec<Statement>,
    pub(crate) value: Expression,
}

/// `x: [batch, n]` or `units`.
#[derive(Debug)]
pub(crate) struct LayerArgument {
    pub(crate) name: Ident,
    pub(crate) ty: Option<TensorType>,
}

/// `[dims]` or `i32[dims]`.
#[derive(Clone, Debug)]
pub(crate) struct TensorType {
    pub(crate) element: Option<ElementType>,
    pub(crate) dims: Vec<Expression>,
    pub(crate) location: Location,
}

/// What stands before a `;`, or a loop.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) location: Location,
}

#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `input x: …`, `target y: …`.
    Input { target: bool, name: Ident, ty: TensorType },
    /// `let name = value`, `let (a, b) = value`: one name or more.
    Let { names: Vec<Ident>, value: Expression },
    /// `name = value`, `(a, b) = value`.
    Rebind { names: Vec<Ident>, value: Expression },
    /// `yield value`, in the body of a `scan`.
    Yield(Expression),
    /// `shared name = function(arguments)`.
    Shared { name: Ident, function: Ident, arguments: Arguments },
    /// `param name: … = initializer(…)`, `state …`.
    Storage { kind: StorageKind, name: Ident, ty: TensorType, initializer: Ident, arguments: Arguments },
    /// `update name = value`.
    Update { name: Ident, value: Expression },
    /// `output a, b = value`.
    Output(Vec<Output>),
    /// `loss name over a, b = value`.
    Loss { name: Option<Ident>, over: Vec<Ident>, value: Expression },
    /// `for variable in … { … }`; no variable for `_`.
    For { variable: Option<Ident>, over: Over, body: Vec<Statement> },
    /// What could not be read, with the names it would have declared.
    Broken(Vec<Ident>),
}

/// What a loop runs over.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    /// `from..to`.
    Range { from: Expression, to: Expression },
    /// A list of sizes.
    List(Expression),
}

/// One output: a known name, or a new one for a value.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expression>,
}

/// Arguments of a call: by position, then by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Vec<Expression>,
    pub(crate) named: Vec<(Ident, Expression)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) kind: ExpressionKind,
    pub(crate) location: Location,
}

#[derive(Clone, Debug)]
pub(crate) enum ExpressionKind {
    Integer(i64),
    Number(f64),
    Bool(bool),
    /// Text in quotes.
    Text(String),
    /// A value, an argument, a dim.
    Name(Ident),
    /// A parameter by its name: `h.weight`, `h.0.weight`.
    Parameter(Vec<String>),
    Negate(Box<Expression>),
    /// `!condition`.
    Not(Box<Expression>),
    /// `a && b`, `a || b`.
    Logical(Connective, Box<Expression>, Box<Expression>),
    /// `if condition { then } else { otherwise }`.
    If(Box<Choice>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// A composite, a layer, a shared instance.
    Call {
        function: Ident,
        arguments: Arguments,
    },
    /// A Rust function by its path.
    PathCall {
        path: syn::Path,
        arguments: Vec<Expression>,
    },
    /// `[batch, units]` as an argument.
    Shape(Vec<Expression>),
    /// `(a, b)`.
    Tuple(Vec<Expression>),
    /// `scan step in x along time, h = start { … }`.
    Scan(Box<Scan>),
    /// `_` in the shape that a layer gives: whatever comes out.
    Whatever,
    /// `{ … }`.
    Rust(TokenStream),
}

/// What joins two conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connective {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// `if condition { then } else { otherwise }`: which of the two is decided when the network is built.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) condition: Expression,
    pub(crate) then: Expression,
    pub(crate) otherwise: Expression,
}

/// `scan reverse step in x along time, h = start { statements }`.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) reverse: bool,
    pub(crate) slices: Vec<Slices>,
    pub(crate) carried: Vec<Carried>,
    pub(crate) body: Vec<Statement>,
}

/// `step in x along time`.
#[derive(Clone, Debug)]
pub(crate) struct Slices {
    pub(crate) name: Ident,
    pub(crate) of: Expression,
    pub(crate) along: Along,
}

/// An axis, by its number or its size.
#[derive(Clone, Debug)]
pub(crate) enum Along {
    Axis(i64),
    Size(Ident),
}

/// `h = start`, `(h, c) = start`.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) names: Vec<Ident>,
    pub(crate) start: Expression,
}

impl Connective {
    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Connective::And => "&&",
            Connective::Or => "||",
        }
    }
}

pub(crate) use downhill_nn::language::Operator;

impl Location {
    pub(crate) fn at(span: Span) -> Location {
        Location { start: span, end: span }
    }

    /// From the beginning of this to the end of `last`.
    pub(crate) fn to(self, last: Location) -> Location {
        Location { start: self.start, end: last.end }
    }
}
