//! Expressions of nodes, with as few parentheses as precedence allows.

use crate::dim::Dim;
use crate::facts::Class;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Compare, Op, Range, Reduction, Unary};
use crate::text::differs_by_ones;
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

/// Functions that stand between their operands, how tightly they bind, and how tightly their right operand must.
const INFIX: [(Binary, &str, Binds, Binds); 4] = [
    (Binary::Add, " + ", Binds::Sum, Binds::Matrix),
    (Binary::Sub, " − ", Binds::Sum, Binds::Matrix),
    (Binary::Div, "/", Binds::Product, Binds::Factor),
    (Binary::Pow, "^", Binds::Atom, Binds::Atom),
];

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
    let op = graph.op(id);
    if op.class() == Class::Marker || matches!(op, Op::Broadcast { .. }) {
        return true;
    }
    let Some(&x) = graph.operands_of(id).first() else { return false };
    let is_float = |id: NodeId| graph.ty(id).element.is_float();
    let is_rounding = matches!(op, Op::Convert(_)) && is_float(id) && is_float(x);
    is_rounding || matches!(op, Op::Reshape(shape) if differs_by_ones(shape, graph.shape(x)))
}

/// The operands that the node's expression mentions.
pub(crate) fn mentioned(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let mut operands = graph.operands(id);
    if matches!(graph.op(id), Op::Surrogate | Op::Pullback) {
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

        let op = self.graph.op(id);
        let form = match op.class() {
            Class::Source => self.source(id),
            Class::Elementwise => self.elementwise(op, id, &operands),
            Class::View | Class::Pieces => self.arrangement(op, &operands),
            Class::Gather | Class::Scatter => self.by_index(op, operands[0], operands[1]),
            Class::Fold => self.fold(op, operands[0]),
            Class::Prefix => self.prefix(op, operands[0]),
            Class::Contraction => self.contraction(op, operands[0], operands[1]),
            Class::Loop | Class::Marker => None,
        };

        form.unwrap_or_else(|| self.call(op.facts().name, &operands))
    }

    fn source(&self, id: NodeId) -> Option<Expression> {
        if let Some(name) = self.graph.leaf_name(id) {
            return Some(atom(name.to_string()));
        }

        let op = self.graph.op(id);
        if let Op::DimValue { dim, .. } = op {
            let binds = if dim.terms().count() > 1 { Binds::Sum } else { Binds::Product };
            let single = dim.terms().count() == 1 && !dim.to_string().contains('*');
            return Some(Expression {
                text: dim.to_string(),
                binds: if single { Binds::Atom } else { binds },
            });
        }

        if let Op::Constant(literal) = op {
            return Some(number(literal.value(), literal.element));
        }
        if let Op::Iota { axis, .. } = op {
            return Some(atom(format!("index(axis: {axis})")));
        }
        if let Op::Arriving { number, .. } = op {
            return Some(atom(format!("arriving({number})")));
        }
        let Op::RandomBits { stream, .. } = op else { return None };
        Some(atom(format!("random({stream})")))
    }

    fn elementwise(&self, op: &Op, id: NodeId, operands: &[NodeId]) -> Option<Expression> {
        if let Op::Unary(unary) = op {
            return Some(self.unary(*unary, operands[0]));
        }
        if let Op::Binary(binary) = op {
            return Some(self.binary(*binary, operands[0], operands[1]));
        }
        if let Op::Compare(compare) = op {
            return Some(self.comparison(sign(*compare), operands[0], operands[1]));
        }
        if let Op::Convert(element) = op {
            return Some(self.convert(*element, operands[0]));
        }
        (*op == Op::Select).then(|| self.select(id, operands))
    }

    /// The operands' elements at other indices.
    fn arrangement(&self, op: &Op, operands: &[NodeId]) -> Option<Expression> {
        let first = || self.text(operands[0]);
        if let Op::Transpose(order) = op {
            let text = || atom(format!("transpose({}, {order:?})", first()));
            return Some(if order[..] == [1, 0] { self.transposed(operands[0]) } else { text() });
        }

        if let Op::Reshape(shape) = op {
            return Some(atom(format!("reshape({}, {shape})", first())));
        }

        if let Op::Slice(ranges) = op {
            let ranges: Vec<String> = ranges.iter().map(Range::to_string).collect();
            return Some(atom(format!("{}[{}]", self.at(operands[0], Binds::Atom), ranges.join(", "))));
        }

        if let Op::Window(window) = op {
            return Some(atom(format!("window({}, {window})", first())));
        }

        let Op::Concatenate { axis } = op else { return None };
        let operands: Vec<String> = operands.iter().map(|&id| self.text(id)).collect();
        Some(atom(format!("concatenate({}, axis: {axis})", operands.join(", "))))
    }

    /// Elements found by index, or added up by it.
    fn by_index(&self, op: &Op, x: NodeId, indices: NodeId) -> Option<Expression> {
        let text = format!("{}, {}", self.text(x), self.text(indices));
        if let Op::Gather { axis, batch } = op {
            return Some(match (axis, batch) {
                (0, 0) => atom(format!("{}[{}]", self.at(x, Binds::Atom), self.text(indices))),
                (_, 0) => atom(format!("gather({text}, axis: {axis})")),
                _ => atom(format!("gather({text}, axis: {axis}, batch: {batch})")),
            });
        }
        let Op::ScatterAdd { axis, batch, size } = op else { return None };
        let batch = if *batch == 0 { String::new() } else { format!(", batch: {batch}") };
        Some(atom(format!("scatter_add({text}, axis: {axis}{batch}, size: {size})")))
    }

    fn fold(&self, op: &Op, x: NodeId) -> Option<Expression> {
        if let Op::Reduce { kind, axes } = op {
            return Some(self.reduction(*kind, axes, x));
        }
        if let Op::Fold { window, size } = op {
            return Some(atom(format!("fold({}, {window} to {size})", self.text(x))));
        }
        let Op::ArgMax { axis } = op else { return None };
        Some(atom(format!("argmax({}, axis: {axis})", self.text(x))))
    }

    fn prefix(&self, op: &Op, x: NodeId) -> Option<Expression> {
        let Op::CumulativeSum { axis } = op else { return None };
        Some(atom(format!("cumsum({}, axis: {axis})", self.text(x))))
    }

    fn contraction(&self, op: &Op, a: NodeId, b: NodeId) -> Option<Expression> {
        let Op::DotGeneral { batch, contract } = op else { return None };
        Some(self.product(batch, contract, a, b))
    }

    fn unary(&self, unary: Unary, x: NodeId) -> Expression {
        if unary == Unary::Neg {
            return Expression { text: format!("−{}", self.at(x, Binds::Matrix)), binds: Binds::Minus };
        }
        if unary == Unary::Abs {
            return atom(format!("|{}|", self.text(x)));
        }
        if unary == Unary::Sqrt {
            return Expression { text: format!("√{}", self.at(x, Binds::Atom)), binds: Binds::Power };
        }
        let name = if unary == Unary::Logistic { "sigmoid" } else { unary.facts().name };
        self.call(name, &[x])
    }

    fn binary(&self, binary: Binary, a: NodeId, b: NodeId) -> Expression {
        let infix = |sign: &str, binds: Binds, right: Binds| {
            let text = format!("{}{sign}{}", self.at(a, binds), self.at(b, right));
            Expression { text, binds }
        };

        if binary == Binary::Mul {
            return if a == b {
                Expression { text: format!("{}²", self.at(a, Binds::Atom)), binds: Binds::Power }
            } else if self.is_number(a) || self.is_number(b) {
                self.scaled(a, b)
            } else {
                self.outer(a, b).unwrap_or_else(|| infix(" ⊙ ", Binds::Product, Binds::Factor))
            };
        }

        match INFIX.iter().find(|(known, ..)| *known == binary) {
            Some((_, sign, binds, right)) => infix(sign, *binds, *right),
            None => self.call(binary.facts().name, &[a, b]),
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
        let Op::Broadcast { shape, axes } = self.graph.op(id) else { return None };
        match axes[..] {
            [axis] if shape.rank() == 2 && (self.name)(id).is_none() => Some(axis),
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
        let Op::Compare(compare) = self.graph.op(mask) else {
            return format!("not {}", self.at(mask, Binds::Atom));
        };
        if (self.name)(mask).is_some() {
            return format!("not {}", self.at(mask, Binds::Atom));
        }

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

    fn convert(&self, element: ElementType, x: NodeId) -> Expression {
        if self.graph.ty(x).element == ElementType::Bool {
            atom(format!("[{}]", self.text(x)))
        } else {
            self.call(element.name(), &[x])
        }
    }

    fn reduction(&self, kind: Reduction, axes: &[usize], x: NodeId) -> Expression {
        let name = kind.facts().name;
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
