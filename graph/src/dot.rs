//! The graph as a picture, in Graphviz' language.
//!
//! In: a graph, best an entry's. Out: DOT text with a cluster each for inputs, parameters, forward, backward and update. A node says
//! its name (or the number it has in [`Graph::to_text`]), its expression, its type and where it was declared. Constants,
//! broadcasts and comparisons with a constant stand inside the expressions that use them.

use crate::formula::{DEEPEST, Expressions, is_transparent};
use crate::graph::{Graph, NodeId, Purpose, Role, StorageKind, Users};
use crate::op::{Binary, Compare, Op, Unary};
use crate::rebuild::{ancestors, live};
use crate::text::role_name;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

/// What a node is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Inputs,
    Parameters,
    Forward,
    Backward,
    Update,
}

const PARTS: [(Part, &str, &str); 5] = [
    (Part::Inputs, "inputs", "#e8f0fe"),
    (Part::Parameters, "parameters", "#fef3e0"),
    (Part::Forward, "forward", "#e9f6ec"),
    (Part::Backward, "backward", "#fbe9e9"),
    (Part::Update, "update", "#f1ebfa"),
];

impl Graph {
    /// The graph in Graphviz' language: `dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        let picture = Picture::of(self);
        let loss = self.results.iter().find_map(|(purpose, _)| match purpose {
            Purpose::Loss(name) => Some(&**name),
            _ => None,
        });

        let mut text = String::from(
            "digraph network {\n  rankdir=TB; compound=true; nodesep=0.25; ranksep=0.4; fontname=\"Helvetica\";\n  \
             node [shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#777777\", fontname=\"Helvetica\", fontsize=11];\n  \
             edge [color=\"#555555\", arrowsize=0.7];\n",
        );

        for (part, title, color) in PARTS {
            let members: Vec<NodeId> =
                self.ids().filter(|&id| picture.shows(id) && picture.part(id) == part).collect();
            if members.is_empty() {
                continue;
            }
            let _ = writeln!(text, "  subgraph cluster_{title} {{");
            let _ = writeln!(
                text,
                "    label=\"{title}\"; labeljust=l; style=\"rounded,filled\"; color=\"{color}\";"
            );
            for id in members {
                let _ = writeln!(text, "    {}", picture.node(id, loss.unwrap_or("loss")));
            }
            text.push_str("  }\n");
        }

        for id in self.ids().filter(|&id| picture.shows(id)) {
            for source in picture.sources(id) {
                let _ = writeln!(text, "  n{} -> n{};", source.index(), id.index());
            }
        }
        text + "}\n"
    }
}

struct Picture<'a> {
    graph: &'a Graph,
    users: Users,
    /// The results that nodes are.
    results: HashMap<NodeId, Vec<&'a Purpose>>,
    live: Vec<bool>,
    /// Drawn as a box of its own.
    shown: Vec<bool>,
    /// Needed by an output, a loss or a value that the declaration names.
    forward: Vec<bool>,
    /// Depends on hyper-parameters or states of optimizers.
    updating: Vec<bool>,
}

impl Picture<'_> {
    fn of(graph: &Graph) -> Picture<'_> {
        let is_forward = |purpose: &Purpose| matches!(purpose, Purpose::Output(_) | Purpose::Loss(_));
        let live = if graph.results.is_empty() { vec![true; graph.len()] } else { live(graph) };
        let results = graph.results.iter().filter(|(purpose, _)| is_forward(purpose)).map(|(_, id)| *id);
        let named = graph.ids().filter(|&id| live[id.index()] && graph.label(id).is_some());
        let roots: Vec<NodeId> = results.chain(named).collect();
        let forward = if roots.is_empty() { live.clone() } else { ancestors(graph, &roots) };
        let updating = updating(graph, &forward);
        let mut results: HashMap<NodeId, Vec<&Purpose>> = HashMap::new();
        for (purpose, id) in &graph.results {
            results.entry(*id).or_default().push(purpose);
        }
        let (users, shown) = (graph.users(), vec![false; graph.len()]);
        let mut picture = Picture { graph, users, results, live, forward, updating, shown };
        picture.choose_shown();
        picture
    }

    /// Chooses what has a box: whatever does not stand inside the expressions of its users, or would make them too deep.
    fn choose_shown(&mut self) {
        let mut depth = vec![0_usize; self.graph.len()];
        for id in self.graph.ids().filter(|id| self.live[id.index()]) {
            let inside = self.graph.operands_of(id).iter().map(|operand| depth[operand.index()]);
            let deep = inside.max().map_or(0, |inside| inside + 1);
            let has_name = self.graph.label(id).is_some() || self.results.contains_key(&id);
            let shown = has_name || deep >= DEEPEST || !self.is_inside(id);
            self.shown[id.index()] = shown;
            depth[id.index()] = if shown { 0 } else { deep };
        }
    }

    fn part(&self, id: NodeId) -> Part {
        let op = self.graph.op(id);
        if matches!(op, Op::Input(_)) {
            Part::Inputs
        } else if matches!(op, Op::Storage(_)) {
            Part::Parameters
        } else if self.forward[id.index()] {
            Part::Forward
        } else if self.updating[id.index()] {
            Part::Update
        } else {
            Part::Backward
        }
    }

    /// Whether the node has a box of its own.
    fn shows(&self, id: NodeId) -> bool {
        self.shown[id.index()]
    }

    /// Whether the node stands inside the expressions of its users.
    fn is_inside(&self, id: NodeId) -> bool {
        let graph = self.graph;
        let is_plain = |id: NodeId| graph.constant_value(id).is_some() || is_size(graph, id);
        let mut operands = graph.operands_of(id).iter().copied();
        let op = graph.op(id);
        if let Op::Compare(compare) = op {
            let label_mask = *compare == Compare::Equal;
            return operands.any(|operand| is_plain(operand) || label_mask && is_index(graph, operand));
        }
        matches!(op, Op::Constant(_) | Op::DimValue { .. } | Op::Iota { .. })
            || matches!(op, Op::Binary(Binary::Div | Binary::Mul)) && operands.all(is_plain)
            || is_transparent(graph, id)
            || is_slight(graph, op, id) && self.has_one_reader(id)
    }

    /// Whether one box, of the same part, reads the node.
    fn has_one_reader(&self, id: NodeId) -> bool {
        let readers: Vec<NodeId> =
            self.users.of(id).iter().copied().filter(|user| self.live[user.index()]).collect();
        matches!(readers[..], [reader] if self.part(reader) == self.part(id) && !is_transparent(self.graph, reader))
    }

    /// The boxes an expression reads, in order, each once.
    fn sources(&self, id: NodeId) -> Vec<NodeId> {
        let mut sources = Vec::new();
        let mut open: Vec<NodeId> = self.graph.operands(id);
        open.reverse();

        let mut seen = BTreeSet::new();
        while let Some(operand) = open.pop() {
            if !seen.insert(operand) {
                continue;
            }
            if self.shows(operand) {
                sources.push(operand);
            } else {
                open.extend(self.graph.operands(operand).into_iter().rev());
            }
        }

        sources
    }

    fn name(&self, id: NodeId) -> String {
        let known = self.graph.leaf_name(id).or(self.graph.label(id));
        known.map_or_else(|| format!("%{}", id.index()), |name| name.to_string())
    }

    fn node(&self, id: NodeId, loss: &str) -> String {
        let (graph, name) = (self.graph, escape(&self.name(id)));
        let expressions = Expressions { graph, name: &|id| self.shows(id).then(|| self.name(id)) };
        let (head, look) = if let Op::Input(index) = graph.op(id) {
            (format!("<B>{name}</B>  {}", role_name(graph.inputs[*index].role)), ", shape=ellipse")
        } else if let Op::Storage(index) = graph.op(id) {
            let is_state = graph.storages[*index].kind == StorageKind::State;
            let kind = if is_state { "  state" } else { "" };
            (format!("<B>{name}</B>{kind}"), ", shape=cylinder, style=filled")
        } else {
            (format!("<B>{name}</B> = {}", escape(&expressions.definition(id))), "")
        };

        let purposes: String = self
            .purposes(id, loss)
            .iter()
            .map(|purpose| format!("<B>{}</B><BR/>", escape(purpose)))
            .collect();

        let border = if purposes.is_empty() { "" } else { ", penwidth=2, color=\"#333333\"" };
        let ty = escape(&graph.ty(id).to_string());

        let location = self.location(id);
        format!(
            "n{} [label=<{purposes}{head}<BR/><FONT COLOR=\"#555555\">{ty}</FONT>{location}>{look}{border}];",
            id.index()
        )
    }

    /// The results that the node is.
    fn purposes(&self, id: NodeId, loss: &str) -> Vec<String> {
        let words = self.results.get(&id).into_iter().flatten().map(|purpose| match purpose {
            Purpose::Output(name) => format!("output {name}"),
            Purpose::Loss(name) if &**name == "loss" => "loss".into(),
            Purpose::Loss(name) => format!("loss {name}"),
            Purpose::Gradient(name) => format!("∂{}/∂{name}", loss),
            Purpose::Update(index) => format!("{} ←", self.graph.storages[*index].name),
        });
        words.collect()
    }

    /// Layer and source line.
    fn location(&self, id: NodeId) -> String {
        let origin = self.graph.origin(id);
        let layer = if origin.layer.is_empty() { String::new() } else { format!("in {}", origin.layer) };
        let line =
            if origin.file.is_empty() { String::new() } else { format!("{}:{}", origin.file, origin.line) };
        let parts: Vec<String> = [layer, line].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("<BR/><FONT POINT-SIZE=\"9\" COLOR=\"#888888\">{}</FONT>", escape(&parts.join(" · ")))
    }
}

/// Which nodes depend on what only updates read (hyper-parameters and states of optimizers), by a path that passes no forward node.
fn updating(graph: &Graph, forward: &[bool]) -> Vec<bool> {
    let mut updating = vec![false; graph.len()];
    for (purpose, id) in &graph.results {
        updating[id.index()] |= matches!(purpose, Purpose::Update(_));
    }
    for id in graph.ids().filter(|id| !forward[id.index()]) {
        let op = graph.op(id);
        let starts = matches!(op, Op::Input(index) if graph.inputs[*index].role == Role::Hyper)
            || matches!(op, Op::Storage(index) if graph.storages[*index].kind == StorageKind::State);
        updating[id.index()] |=
            starts || graph.operands(id).into_iter().any(|operand| updating[operand.index()]);
    }
    updating
}

fn is_size(graph: &Graph, mut id: NodeId) -> bool {
    while is_transparent(graph, id) {
        id = graph.operand(id, 0);
    }
    matches!(graph.op(id), Op::DimValue { .. })
}

/// Too slight for a box where it is read once: a sign, or a product with a scalar.
fn is_slight(graph: &Graph, op: &Op, id: NodeId) -> bool {
    let is_scalar = |id: NodeId| {
        let spread = matches!(graph.op(id), Op::Broadcast { axes, .. } if axes.is_empty());
        spread || graph.constant_value(id).is_some()
    };
    matches!(op, Op::Unary(Unary::Neg | Unary::Abs))
        || matches!(op, Op::Binary(Binary::Mul)) && graph.operands(id).into_iter().any(is_scalar)
}

fn is_index(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Iota { .. })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
