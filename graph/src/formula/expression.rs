//! Expressions of nodes, with as few parentheses as precedence allows.

use crate::dim::Dim;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Compare, Op, Reduction, Unary};
use crate::text::{differs_by_ones, op_name, range_text};
use crate::types::ElementType;

/// How tightly an expression binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Comparison,
    Sum,
    Minus,
    Matrix,
    Product,
    Factor,
    Power,
    Atom,
}

struct Expression {
    text: String,
    binds: Binds,
}

/// Writes nodes as expressions over the nodes that have names.
pub(crate) struct Expressions<'a> {
    pub(crate) graph: &'a Graph,
    /// What a node is called; a node without a name is written out.
    pub(crate) name: &'a dyn Fn(NodeId) -> Option<String>,
}

/// True for nodes that formulas do not write: they only change how a value lies in memory or what is derived from it.
pub(crate) fn is_transparent(graph: &Graph, id: NodeId) -> bool {
    match graph.op(id) {
        Op::Broadcast { .. } | Op::StopGradient | Op::Surrogate => true,
        Op::Convert(element) => element.is_float() && graph.ty(graph.operand(id, 0)).element.is_float(),
        Op::Reshape(shape) => differs_by_ones(shape, graph.shape(graph.operand(id, 0))),
        _ => false,
    }
}

/// The operands that the node's expression mentions.
pub(crate) fn mentioned(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let mut operands = graph.operands(id);
    if *graph.op(id) == Op::Surrogate {
        operands.truncate(1);
    }
    if let Some(x) = relu_operand(graph, id) {
        operands = vec![x];
    }
    operands
}

/// The x of select(x ≤ 0, 0, x).
fn relu_operand(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let [mask, zero, x] = graph.operands(id)[..] else { return None };
    let is_select = *graph.op(id) == Op::Select && *graph.op(mask) == Op::Compare(Compare::LessEqual);
    let is_rectifier = is_select
        && graph.constant_value(zero) == Some(0.0)
        && graph.operand(mask, 0) == x
        && graph.constant_value(graph.operand(mask, 1)) == Some(0.0);
    is_rectifier.then_some(x)
}

impl Expressions<'_> {
    /// The node's name, or else its expression.
    pub(crate) fn text(&self, id: NodeId) -> String {
        self.of(id).text
    }

    /// The node's expression, even where it has a name.
    pub(crate) fn definition(&self, id: NodeId) -> String {
        self.written(id).text
    }

    fn of(&self, id: NodeId) -> Expression {
        match (self.name)(id) {
            Some(name) => atom(name),
            None => self.written(id),
        }
    }

    /// In parentheses where it binds less than `least`.
    fn at(&self, id: NodeId, least: Binds) -> String {
        let expression = self.of(id);
        if expression.binds < least { format!("({})", expression.text) } else { expression.text }
    }

    fn call(&self, name: &str, operands: &[NodeId]) -> Expression {
        let operands: Vec<String> = operands.iter().map(|&id| self.text(id)).collect();
        atom(format!("{name}({})", operands.join(", ")))
    }

    fn written(&self, id: NodeId) -> Expression {
        let operands = self.graph.operands(id);
        if is_transparent(self.graph, id) {
            return match self.turned_vector(id) {
                Some(vector) => self.transposed(vector),
                None => self.of(operands[0]),
            };
        }
        match self.graph.op(id) {
            Op::Input(index) => atom(self.graph.inputs[*index].name.to_string()),
            Op::Storage(index) => atom(self.graph.storages[*index].name.to_string()),
            Op::Constant(literal) => number(literal.value(), literal.element),
            Op::DimValue { dim, .. } => {
                let binds = if dim.terms().count() > 1 { Binds::Sum } else { Binds::Product };
                let single = dim.terms().count() == 1 && !dim.to_string().contains('*');
                Expression { text: dim.to_string(), binds: if single { Binds::Atom } else { binds } }
            }
            Op::Iota { axis, .. } => atom(format!("index(axis: {axis})")),
            Op::RandomBits { stream, .. } => atom(format!("random({stream})")),
            Op::Unary(unary) => self.unary(*unary, operands[0]),
            Op::Binary(binary) => self.binary(*binary, operands[0], operands[1]),
            Op::Compare(compare) => self.comparison(sign(*compare), operands[0], operands[1]),
            Op::Select => self.select(id, &operands),
            Op::Convert(element) => self.convert(*element, operands[0]),
            Op::Reduce { kind, axes } => self.reduction(*kind, axes, operands[0]),
            Op::ArgMax { axis } => atom(format!("argmax({}, axis: {axis})", self.text(operands[0]))),
            Op::Reshape(shape) => atom(format!("reshape({}, {shape})", self.text(operands[0]))),
            Op::Transpose(order) if order[..] == [1, 0] => self.transposed(operands[0]),
            Op::Transpose(order) => atom(format!("transpose({}, {order:?})", self.text(operands[0]))),
            Op::Slice(ranges) => {
                let ranges: Vec<String> = ranges.iter().map(range_text).collect();
                atom(format!("{}[{}]", self.at(operands[0], Binds::Atom), ranges.join(", ")))
            }
            Op::Concatenate { axis } => {
                let operands: Vec<String> = operands.iter().map(|&id| self.text(id)).collect();
                atom(format!("concatenate({}, axis: {axis})", operands.join(", ")))
            }
            Op::DotGeneral { batch, contract } => self.product(batch, contract, operands[0], operands[1]),
            other => self.call(&op_name(other), &operands),
        }
    }

    fn unary(&self, unary: Unary, x: NodeId) -> Expression {
        match unary {
            Unary::Neg => {
                Expression { text: format!("−{}", self.at(x, Binds::Matrix)), binds: Binds::Minus }
            }
            Unary::Abs => atom(format!("|{}|", self.text(x))),
            Unary::Sqrt => {
                Expression { text: format!("√{}", self.at(x, Binds::Atom)), binds: Binds::Power }
            }
            Unary::Logistic => self.call("sigmoid", &[x]),
            other => self.call(&op_name(&Op::Unary(other)), &[x]),
        }
    }

    fn binary(&self, binary: Binary, a: NodeId, b: NodeId) -> Expression {
        let infix = |sign: &str, binds: Binds, right: Binds| {
            let text = format!("{}{sign}{}", self.at(a, binds), self.at(b, right));
            Expression { text, binds }
        };
        match binary {
            Binary::Add => infix(" + ", Binds::Sum, Binds::Matrix),
            Binary::Sub => infix(" − ", Binds::Sum, Binds::Matrix),
            Binary::Mul if a == b => {
                Expression { text: format!("{}²", self.at(a, Binds::Atom)), binds: Binds::Power }
            }
            Binary::Mul if self.is_number(a) || self.is_number(b) => self.scaled(a, b),
            Binary::Mul => self.outer(a, b).unwrap_or_else(|| infix(" ⊙ ", Binds::Product, Binds::Factor)),
            Binary::Div => infix("/", Binds::Product, Binds::Factor),
            Binary::Pow => infix("^", Binds::Atom, Binds::Atom),
            other => self.call(&op_name(&Op::Binary(other)), &[a, b]),
        }
    }

    /// A product with a scalar, which stands before; x·(1/n) is x/n.
    fn scaled(&self, a: NodeId, b: NodeId) -> Expression {
        let is_constant = |id| self.graph.constant_value(id).is_some();
        let first = is_constant(a) || self.is_number(a) && !is_constant(b);
        let (scalar, x) = if first { (a, b) } else { (b, a) };
        let text = match self.reciprocal(scalar) {
            Some(divisor) => format!("{}/{}", self.at(x, Binds::Product), self.at(divisor, Binds::Factor)),
            None => format!("{}·{}", self.at(scalar, Binds::Factor), self.at(x, Binds::Factor)),
        };
        Expression { text, binds: Binds::Product }
    }

    /// The n of 1/n.
    fn reciprocal(&self, id: NodeId) -> Option<NodeId> {
        let id = self.behind(id);
        let is_quotient = (self.name)(id).is_none() && *self.graph.op(id) == Op::Binary(Binary::Div);
        let one = is_quotient && self.graph.constant_value(self.graph.operand(id, 0)) == Some(1.0);
        one.then(|| self.graph.operand(id, 1))
    }

    /// What stands behind nodes that are not written.
    fn behind(&self, mut id: NodeId) -> NodeId {
        while is_transparent(self.graph, id) && (self.name)(id).is_none() {
            id = self.graph.operand(id, 0);
        }
        id
    }

    /// A vector spread over the rows times one spread over the columns: on paper, a matrix product.
    fn outer(&self, a: NodeId, b: NodeId) -> Option<Expression> {
        let (first, second) = (self.spread_axis(a)?, self.spread_axis(b)?);
        let (column, row) = match (first, second) {
            (0, 1) => (a, b),
            (1, 0) => (b, a),
            _ => return None,
        };
        Some(self.matrix_product(self.left_factor(column), self.at(row, Binds::Factor)))
    }

    /// The axis of a matrix along which a vector that is spread over it lies.
    fn spread_axis(&self, id: NodeId) -> Option<usize> {
        match self.graph.op(id) {
            Op::Broadcast { shape, axes } if shape.rank() == 2 && (self.name)(id).is_none() => match axes[..]
            {
                [axis] => Some(axis),
                _ => None,
            },
            _ => None,
        }
    }

    /// The column that is spread as a row, or the row that is spread as a column.
    fn turned_vector(&self, id: NodeId) -> Option<NodeId> {
        let axis = self.spread_axis(id)?;
        let source = self.behind(id);
        let turned = match self.graph.shape(source).dims() {
            [_, one] if one.is(1) => axis == 1,
            [one, _] if one.is(1) => axis == 0,
            _ => false,
        };
        turned.then_some(source)
    }

    /// A scalar, or one that is spread.
    fn is_number(&self, id: NodeId) -> bool {
        self.graph.shape(self.behind(id)).rank() == 0
    }

    fn comparison(&self, sign: &str, a: NodeId, b: NodeId) -> Expression {
        let text = format!("{} {sign} {}", self.at(a, Binds::Sum), self.at(b, Binds::Sum));
        Expression { text, binds: Binds::Comparison }
    }

    fn select(&self, id: NodeId, operands: &[NodeId]) -> Expression {
        let (mask, a, b) = (operands[0], operands[1], operands[2]);
        if let Some(x) = relu_operand(self.graph, id) {
            return self.call("relu", &[x]);
        }
        let zero = |id: NodeId| self.graph.constant_value(id) == Some(0.0);
        if zero(b) {
            self.masked(a, self.text(mask))
        } else if zero(a) {
            self.masked(b, self.opposite(mask))
        } else {
            self.call("select", operands)
        }
    }

    fn masked(&self, x: NodeId, mask: String) -> Expression {
        let mask = format!("[{mask}]");
        let text = match self.graph.constant_value(x) {
            Some(1.0) => return atom(mask),
            Some(_) => format!("{}·{mask}", self.at(x, Binds::Factor)),
            None => format!("{} ⊙ {mask}", self.at(x, Binds::Product)),
        };
        Expression { text, binds: Binds::Product }
    }

    /// The mask that holds where `mask` does not (NaN aside).
    fn opposite(&self, mask: NodeId) -> String {
        match self.graph.op(mask) {
            Op::Compare(compare) if (self.name)(mask).is_none() => {
                let opposite = match compare {
                    Compare::Equal => "≠",
                    Compare::NotEqual => "=",
                    Compare::Less => "≥",
                    Compare::LessEqual => ">",
                    Compare::Greater => "≤",
                    Compare::GreaterEqual => "<",
                };
                self.comparison(opposite, self.graph.operand(mask, 0), self.graph.operand(mask, 1)).text
            }
            _ => format!("not {}", self.at(mask, Binds::Atom)),
        }
    }

    fn convert(&self, element: ElementType, x: NodeId) -> Expression {
        if self.graph.ty(x).element == ElementType::Bool {
            atom(format!("[{}]", self.text(x)))
        } else {
            self.call(element.name(), &[x])
        }
    }

    fn reduction(&self, kind: Reduction, axes: &[usize], x: NodeId) -> Expression {
        let name = match kind {
            Reduction::Sum => "sum",
            Reduction::Max => "max",
            Reduction::Min => "min",
        };
        let stays = |(axis, dim): (usize, &Dim)| !axes.contains(&axis) && !dim.is(1);
        match axes {
            _ if !self.graph.shape(x).dims().iter().enumerate().any(stays) => self.call(name, &[x]),
            [axis] => atom(format!("{name}({}, axis: {axis})", self.text(x))),
            _ => atom(format!("{name}({}, axes: {axes:?})", self.text(x))),
        }
    }

    fn transposed(&self, x: NodeId) -> Expression {
        Expression { text: format!("{}ᵀ", self.at(x, Binds::Atom)), binds: Binds::Power }
    }

    fn matrix_product(&self, a: String, b: String) -> Expression {
        Expression { text: format!("{a} · {b}"), binds: Binds::Matrix }
    }

    /// Matrix products chain; beside `⊙` they stand in parentheses.
    fn left_factor(&self, id: NodeId) -> String {
        let expression = self.of(id);
        let bare = expression.binds == Binds::Matrix || expression.binds >= Binds::Factor;
        if bare { expression.text } else { format!("({})", expression.text) }
    }

    /// A matrix product with the transposes that its pairs of axes amount to.
    fn product(
        &self,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
        a: NodeId,
        b: NodeId,
    ) -> Expression {
        let (left, right) = (self.graph.shape(a).rank(), self.graph.shape(b).rank());
        match *contract {
            [(i, j)] if batch.is_empty() && left <= 2 && right <= 2 => {
                let a = if left == 2 && i == 0 { self.transposed(a).text } else { self.left_factor(a) };
                let b =
                    if right == 2 && j == 1 { self.transposed(b).text } else { self.at(b, Binds::Factor) };
                self.matrix_product(a, b)
            }
            [(i, 0)] if batch.is_empty() && i + 1 == left && right <= 2 => {
                self.matrix_product(self.left_factor(a), self.at(b, Binds::Factor))
            }
            _ => {
                let batch = if batch.is_empty() { String::new() } else { format!(", batch: {batch:?}") };
                atom(format!("dot({}, {}, contract: {contract:?}{batch})", self.text(a), self.text(b)))
            }
        }
    }
}

fn atom(text: String) -> Expression {
    Expression { text, binds: Binds::Atom }
}

/// The shortest decimal that reads back as the same number of its type.
fn number(value: f64, element: ElementType) -> Expression {
    let size = value.abs();
    let scientific = size != 0.0 && !(1e-4..1e7).contains(&size) && size.is_finite();
    let text = match (element, scientific) {
        (ElementType::F32, true) => format!("{:e}", size as f32),
        (ElementType::F32, false) => (size as f32).to_string(),
        (_, true) => format!("{size:e}"),
        (_, false) => size.to_string(),
    };
    let text = text.replace("inf", "∞");
    if value < 0.0 { Expression { text: format!("−{text}"), binds: Binds::Minus } } else { atom(text) }
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "=",
        Compare::NotEqual => "≠",
        Compare::Less => "<",
        Compare::LessEqual => "≤",
        Compare::Greater => ">",
        Compare::GreaterEqual => "≥",
    }
}
