//! The builder: what user code and the macro write a graph with.
//!
//! In: calls in the order of the declaration. Out: a [`Declaration`], a graph with named outputs and losses.
//!
//! Must hold:
//! - no call panics or returns early on a user's mistake: it is recorded with its origin, and the value it would have given is
//!   *unknown*; whatever an unknown value touches is unknown and gives no second message. All mistakes come out at
//!   [`Builder::finish`].
//! - only this layer inserts broadcasts. Shapes are aligned at their last axes; an axis of the number 1 stretches, a missing axis
//!   is added; an axis written as a symbol never stretches, even when its value is 1.

use crate::body::Bodies;
pub use crate::declaration::{Declaration, Loss, Mode, StateUpdate};
use crate::instance::{Instance, Instances, Meant};
use crate::looped::{Loop, close};
use crate::naming::Names;
use crate::region::Labels;
use crate::states::StateUpdates;
use downhill_graph::agreement::When;
use downhill_graph::check::{Check, Made};
use downhill_graph::dim::Dim;
use downhill_graph::error::{Error, Errors, Origin};
use downhill_graph::graph::{Exchange, Graph, Input, NodeId, Role, Storage, StorageKind, Undecided, bug};
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::rebuild::ancestors;
use downhill_graph::types::{ElementType, Shape, Type};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Collects a declaration. A cheap handle: clones build the same graph.
#[derive(Clone)]
pub struct Builder {
    state: Rc<RefCell<State>>,
    /// By itself, so that a value can be asked for its node while somebody works on the graph.
    bodies: Rc<RefCell<Bodies>>,
}

struct State {
    graph: Graph,
    mode: Mode,
    outputs: Vec<(Arc<str>, NodeId)>,
    losses: Vec<Loss>,
    updates: StateUpdates,
    checks: Vec<Check>,
    errors: Vec<Error>,
    names: Names,
    instances: Instances,
    labels: Labels,
    /// How the declaration writes values without a name.
    written: Labels,
    streams: u32,
    /// How many gradients of one's own there are.
    gradients: u32,
    fresh_dims: u32,
}

/// A value of the graph being built: a handle that user code computes with. *Unknown* after a mistake, or where the macro
/// cannot see into a function.
#[derive(Clone)]
pub struct Value {
    builder: Builder,
    node: Option<NodeId>,
    /// The number of the loop's body that it belongs to; 0 outside of all.
    body: u32,
}

impl Builder {
    /// An empty declaration.
    pub fn new(mode: Mode) -> Builder {
        Builder {
            state: Rc::new(RefCell::new(State {
                graph: Graph::new(),
                mode,
                outputs: Vec::new(),
                losses: Vec::new(),
                updates: StateUpdates::default(),
                checks: Vec::new(),
                errors: Vec::new(),
                names: Names::default(),
                instances: Instances::default(),
                labels: Labels::new(),
                written: Labels::new(),
                streams: 0,
                gradients: 0,
                fresh_dims: 0,
            })),
            bodies: Rc::default(),
        }
    }

    /// A builder that accepts dims that agree for some numbers of the arguments, for checking while rustc runs.
    pub fn for_checking() -> Builder {
        let builder = Builder::new(Mode::Train);
        builder.state.borrow_mut().graph.undecided = Undecided::Accept;
        builder
    }

    /// A builder that goes on with `graph`: what is written stands behind what is there.
    pub(crate) fn resume(graph: Graph) -> Builder {
        let builder = Builder::new(Mode::Train);
        {
            let mut state = builder.state.borrow_mut();
            for id in graph.ids() {
                if let Op::RandomBits { stream, .. } = graph.op(id) {
                    state.streams = state.streams.max(stream + 1);
                } else if let Op::Arriving { number, .. } = graph.op(id) {
                    state.gradients = state.gradients.max(number + 1);
                }
            }
            state.graph = graph;
        }
        builder
    }

    /// Whether both write the same graph.
    pub(crate) fn is(&self, other: &Builder) -> bool {
        Rc::ptr_eq(&self.state, &other.state)
    }

    /// Train or infer.
    pub fn mode(&self) -> Mode {
        self.state.borrow().mode
    }

    /// Calls made from now on come from `origin` (its `layer` is filled in from the open scopes).
    pub fn at(&self, origin: Origin) {
        let mut state = self.state.borrow_mut();
        let layer = state.names.path();
        state.graph.set_origin(Origin { layer, ..origin });
    }

    /// The current origin.
    pub fn origin(&self) -> Origin {
        self.state.borrow().graph.current_origin().clone()
    }

    /// The dim of a build value: a symbol whose number is known when building.
    pub fn argument(&self, name: &str, value: usize) -> Dim {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.state.borrow_mut().graph.bindings.insert(name.into(), value);
        Dim::symbol(name)
    }

    /// The dim of a build value whose number is not known yet, while rustc runs.
    pub fn open_argument(&self, name: &str) -> Dim {
        self.open(name, When::Build)
    }

    /// The dim called `name`, of which nothing else is known: it may be an argument's, or that of a run.
    pub fn open_dim(&self, name: &str) -> Dim {
        self.open(name, When::Unknown)
    }

    fn open(&self, name: &str, when: When) -> Dim {
        self.state.borrow_mut().graph.open.insert(name.into(), when);
        Dim::symbol(name)
    }

    /// Declares an input of every entry that reads it.
    pub fn input(&self, name: &str, element: ElementType, shape: impl Into<Shape>) -> Value {
        self.declare_input(name, Type::new(element, shape), Role::Input)
    }

    /// Declares an input that only losses may read.
    pub fn target(&self, name: &str, element: ElementType, shape: impl Into<Shape>) -> Value {
        self.declare_input(name, Type::new(element, shape), Role::Target)
    }

    fn declare_input(&self, name: &str, ty: Type, role: Role) -> Value {
        if !self.is_outside(&format!("input `{name}`")) {
            return self.unknown();
        }
        let node = {
            let mut state = self.state.borrow_mut();
            if state.graph.input_index(name).is_some() {
                drop(state);
                return self.fail(Error::new(format!("`{name}` is declared twice")));
            }
            state.graph.add_input(Input { name: name.into(), ty, role, below: None })
        };
        self.value(node).named(name)
    }

    /// Keeps a check that a use makes. Every use counts, and an input that holds class indices tells the least of their bounds.
    pub(crate) fn keep_check(&self, check: Check) {
        let mut state = self.state.borrow_mut();
        if let (Made::Bound(input), Some(count)) = (check.made, check.rule.below()) {
            let graph = &mut state.graph;
            let is_less = |known: &Dim| {
                let difference = (known - count).bind(&graph.bindings);
                difference.as_constant().is_some_and(|difference| difference <= 0)
            };
            if !graph.inputs[input].below.as_ref().is_some_and(is_less) {
                graph.inputs[input].below = Some(count.clone());
            }
        }

        if !state.checks.contains(&check) {
            state.checks.push(check);
        }
    }

    /// The checks that are made where `value` is computed.
    pub(crate) fn checks_below(&self, value: &Value) -> Vec<Check> {
        let (Some(node), state) = (value.node(), self.state.borrow()) else { return Vec::new() };
        let needed = ancestors(&state.graph, &[node]);
        let is_needed = |check: &&Check| check.terms.iter().any(|term| needed[term.index()]);
        state.checks.iter().filter(is_needed).cloned().collect()
    }

    /// The current origin, with the layer of the open scopes.
    pub(crate) fn origin_with_layer(&self) -> Origin {
        let state = self.state.borrow();
        Origin { layer: state.names.path(), ..state.graph.current_origin().clone() }
    }

    /// Declares a trainable tensor; its full name begins with the open scopes.
    pub fn parameter(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> Value {
        self.declare_storage(name, Type::new(ElementType::F32, shape), StorageKind::Parameter, initializer)
    }

    /// Says how files that are exchanged with PyTorch hold a parameter, where that is not as it is here.
    pub fn exchange(&self, parameter: &Value, exchange: Exchange) {
        let Some(node) = parameter.node() else { return };
        self.with_graph(|graph| {
            if let Op::Storage(index) = *graph.op(node) {
                graph.storages[index].exchange = exchange;
            }
        });
    }

    /// Declares a matrix `[inputs, units]`, which PyTorch keeps as `[units, inputs]`.
    pub(crate) fn turned(&self, name: &str, shape: [Dim; 2], initializer: Initializer) -> Value {
        let matrix = self.parameter(name, shape, initializer);
        self.exchange(&matrix, Exchange { axes: vec![1, 0], ..Exchange::default() });
        matrix
    }

    /// Declares a tensor that is kept but not trained.
    pub fn state(&self, name: &str, ty: Type, initializer: Initializer) -> Value {
        self.declare_storage(name, ty, StorageKind::State, initializer)
    }

    /// Says how `state` changes in the training steps whose loss reaches it: those whose loss depends on what the layer gives that this is
    /// part of ([`Builder::gives`]), else on what `value` is made of. Updates of a layer's call are simultaneous; several calls with one
    /// state, as the uses of a shared instance make them, change it one after the other. Inference changes nothing.
    pub fn update(&self, state: &Value, value: &Value) {
        let (Some(node), Some(next)) = (state.node(), value.node()) else { return };
        if self.is_in_body() {
            let error =
                Error::new(format!("{} would be updated in every iteration of a `scan`", state.label()));
            return self.error(error.help(
                "carry what changes from iteration to iteration, and update the state behind the scan",
            ));
        }
        let storage = self.with_graph(|graph| {
            let Op::Storage(index) = graph.op(node) else { return None };
            (graph.storages[*index].kind == StorageKind::State).then_some(*index)
        });
        let Some(storage) = storage else {
            let error = Error::new(format!("{} is no state, so no update changes it", state.label()));
            return self.error(error.help("declare it: `state name: [dims] = zeros();`"));
        };

        let (own, new) = self.with_graph(|graph| (graph.ty(node).clone(), graph.ty(next).clone()));
        let mut dims = own.shape.dims().iter().zip(new.shape.dims());
        let agree = self.with_graph(|graph| dims.all(|(a, b)| graph.agrees(a, b)));
        if own.element != new.element || own.rank() != new.rank() || !agree {
            let error =
                Error::new(format!("the update of {} is {new}, but the state is {own}", state.label()));
            return self.error(if own.element == new.element {
                error.help("give both the same shape")
            } else {
                error.help(format!("convert it: `{}(…)`", own.element))
            });
        }

        let origin = self.origin();
        if !self.state.borrow_mut().updates.add(storage, next, origin) {
            let error = Error::new(format!("{} is updated twice", state.label()));
            self.error(error.help("updates are taken all at once: write one expression"));
        }
    }

    /// Says what the layer's call in progress gives: a loss that depends on it takes the call's updates.
    pub fn gives(&self, value: &Value) {
        self.gives_all(std::slice::from_ref(value));
    }

    /// The same of a call that gives several values: a loss that depends on one of them takes the updates.
    pub fn gives_all(&self, values: &[Value]) {
        let nodes: Vec<NodeId> = values.iter().filter_map(Value::node).collect();
        self.state.borrow_mut().updates.gives(&nodes);
    }

    fn declare_storage(&self, name: &str, ty: Type, kind: StorageKind, initializer: Initializer) -> Value {
        let mut state = self.state.borrow_mut();
        match state.instances.replay() {
            Meant::New => {}
            Meant::Known(index) => {
                drop(state);
                return self.shared_storage(index, name, &ty);
            }
            Meant::Missing => {
                drop(state);
                return self.other_use(name, "which its first has not");
            }
        }
        let index = state.graph.storages.len();
        state.names.declare(index, name);
        state.instances.record(index);
        let origin = state.graph.current_origin().clone();
        let node = state.graph.add_storage(Storage {
            name: name.into(),
            ty,
            kind,
            initializer,
            exchange: Exchange::default(),
            origin,
        });
        drop(state);
        self.value(node).named(name)
    }

    /// The storage of a shared instance's first use, where a later use needs one of type `ty`.
    fn shared_storage(&self, index: usize, name: &str, ty: &Type) -> Value {
        let node = self.with_graph(|graph| graph.add(Op::Storage(index), &[]));
        let known = self.with_graph(|graph| graph.storages[index].name.clone());
        if *known != *name {
            return self.other_use(name, &format!("where its first has `{known}`"));
        }
        let first = self.with_graph(|graph| graph.ty(node).clone());
        let dims = || first.shape.dims().iter().zip(ty.shape.dims());
        let agree = self.with_graph(|graph| dims().all(|(a, b)| graph.agrees(a, b)));
        if first.element != ty.element || first.rank() != ty.rank() || !agree {
            let error = Error::new(format!("the shared `{name}` is {first} but this use needs {ty}"))
                .note("all uses of a shared instance have the same parameters")
                .help("give every use the same shape, or declare another instance");
            return self.fail(error);
        }
        self.value(node)
    }

    /// Refuses a use of a shared instance whose parameters are others than those of the first.
    fn other_use(&self, name: &str, why: &str) -> Value {
        // While sizes and flags are open, so is what each use needs.
        if self.with_graph(|graph| graph.undecided == Undecided::Accept) {
            return self.unknown();
        }
        let error = Error::new(format!("this use of a shared instance needs `{name}`, {why}"))
            .note("all uses of a shared instance have the same parameters")
            .help("give every use the same arguments, or declare another instance");
        self.fail(error)
    }

    /// Runs `body`, of which nobody knows whether it is run, outside of all uses of shared instances in progress. If it declares anything,
    /// nothing is known of what those instances have.
    pub fn undecided<R>(&self, body: impl FnOnce() -> R) -> R {
        let (uses, before) = {
            let mut state = self.state.borrow_mut();
            (state.instances.suspend(), state.graph.storages.len())
        };
        let result = body();
        let mut state = self.state.borrow_mut();
        let declared = state.graph.storages.len() > before;
        state.instances.resume(uses, declared);
        result
    }

    /// The storage called `name` (`h.weight`, `h.0.weight`) as seen from the open scopes; layers are numbered as far as declared.
    pub fn find_storage(&self, name: &str) -> Option<Value> {
        let index = self.state.borrow().names.find(name)?;
        let node = self.with_graph(|graph| graph.add(Op::Storage(index), &[]));
        Some(self.value(node))
    }

    /// Names of all storages, as far as declared.
    pub fn storage_names(&self) -> Vec<Arc<str>> {
        self.state.borrow().names.resolve()
    }

    /// Runs `body` inside the scope of a binding: parameters made in it are named after it.
    pub fn scope<R>(&self, name: &str, body: impl FnOnce() -> R) -> R {
        self.state.borrow_mut().names.enter_binding(name);
        let result = self.inside(body);
        self.state.borrow_mut().names.leave();
        result
    }

    /// Runs `body` as one layer of the open binding: the binding's layers with parameters are numbered when there are several.
    pub fn layer<R>(&self, body: impl FnOnce() -> R) -> R {
        {
            let mut state = self.state.borrow_mut();
            state.names.enter_layer();
            state.updates.enter_call();
        }
        let result = self.inside(body);
        let mut state = self.state.borrow_mut();
        state.updates.leave_call();
        state.names.leave();
        result
    }

    /// Runs `body` with the origin's layer set to the open scopes, and restores the origin after it.
    fn inside<R>(&self, body: impl FnOnce() -> R) -> R {
        let before = self.origin();
        self.at(before.clone());
        let result = body();
        self.with_graph(|graph| graph.set_origin(before));
        result
    }

    /// Declares an instance, whose storages are named after `name` and shared by all its uses.
    pub fn instance(&self, name: &str) -> Instance {
        let mut state = self.state.borrow_mut();
        let site = state.names.site(name);
        state.instances.declare(site)
    }

    /// Runs `body` as one use of `instance`: the first use declares storages, later ones are given the same.
    pub fn shared<R>(&self, instance: Instance, body: impl FnOnce() -> R) -> R {
        let before = {
            let mut state = self.state.borrow_mut();
            let site = state.instances.site(instance);
            state.instances.enter(instance);
            state.names.go(site)
        };
        let result = self.inside(body);
        let mut state = self.state.borrow_mut();
        state.instances.leave();
        state.names.go(before);
        result
    }

    /// Indices of the storages of `instance`: none before its first use.
    pub fn storages_of(&self, instance: Instance) -> Vec<usize> {
        self.state.borrow().instances.storages(instance)
    }

    /// Runs `body` as iteration `index` of a loop: names of parameters made in bindings inside end in the index.
    pub fn turn<R>(&self, index: usize, body: impl FnOnce() -> R) -> R {
        let before = self.state.borrow_mut().names.enter_iteration(index);
        let result = body();
        self.state.borrow_mut().names.leave_iteration(before);
        result
    }

    /// A size of which nothing is known: a symbol like no other, spoken of as `name`.
    pub fn fresh_dim(&self, name: &str) -> Dim {
        let number = {
            let mut state = self.state.borrow_mut();
            state.fresh_dims += 1;
            state.fresh_dims
        };
        self.open_dim(&format!("{name}'{number}"))
    }

    /// Gives a node another name for messages (or none), and tells the one it had.
    pub fn relabel(&self, node: NodeId, name: Option<Arc<str>>) -> Option<Arc<str>> {
        let labels = &mut self.state.borrow_mut().labels;
        match name {
            Some(name) => labels.insert(node, name),
            None => labels.remove(&node),
        }
    }

    /// A fresh stream of random bits.
    pub fn random_stream(&self) -> u32 {
        let mut state = self.state.borrow_mut();
        state.streams += 1;
        state.streams - 1
    }

    /// Leaves out a stream that training draws from and inference does not, so that those behind it have the same numbers in both.
    pub(crate) fn skip_stream(&self) {
        self.random_stream();
    }

    /// What stands for the gradient that arrives at a value of type `ty`, in the formulas of a gradient of one's own.
    pub(crate) fn arriving(&self, ty: Type) -> Value {
        let number = {
            let mut state = self.state.borrow_mut();
            state.gradients += 1;
            state.gradients - 1
        };
        self.apply(Op::Arriving { number, ty }, &[])
    }

    /// Whether the body of a loop is being written.
    pub(crate) fn is_in_body(&self) -> bool {
        self.bodies.borrow().any()
    }

    /// Begins the body of a loop: what is written until [`Builder::leave_body`] is part of it.
    pub(crate) fn enter_body(&self) {
        let state = self.state.borrow();
        self.bodies.borrow_mut().enter(&state.graph, state.checks.len());
    }

    /// What an iteration of the innermost body is given under `name`: a slice of `whole`, where it is one.
    pub(crate) fn placeholder(&self, name: &str, ty: Type, whole: Option<NodeId>) -> Value {
        let node = self.with_graph(|graph| self.bodies.borrow_mut().declare(graph, name, ty, whole));
        self.value(node).named(name)
    }

    /// Ends the innermost body, and gives all results of the loop: the last carried values, then what was yielded, stacked along a new
    /// axis 0. Without a loop the body is dropped.
    pub(crate) fn leave_body(&self, of: Option<&Loop>) -> Vec<Value> {
        let results = {
            let state = &mut *self.state.borrow_mut();
            let Some(open) = self.bodies.borrow_mut().leave() else { bug("a body ends that did not begin") };
            // The nodes of the body move.
            state.written.clear();
            close(&mut state.graph, &mut state.labels, &mut state.checks, &open, of)
        };
        results.into_iter().map(|node| self.value(node)).collect()
    }

    /// The input or storage whose elements those of the placeholder at `input` are.
    pub(crate) fn whole(&self, input: usize) -> Option<NodeId> {
        self.bodies.borrow().whole(input)
    }

    /// Refuses what belongs to a network as a whole within the body of a loop.
    fn is_outside(&self, what: &str) -> bool {
        let inside = self.is_in_body();
        if inside {
            let error = Error::new(format!("{what} within the body of a `scan`"));
            self.error(error.help("declare it outside: the body may use values from there"));
        }
        !inside
    }

    /// Declares an output.
    pub fn output(&self, name: &str, value: &Value) {
        if !self.is_outside(&format!("output `{name}`")) {
            return;
        }
        if let Some(target) = self.target_below(value) {
            let error = Error::new(format!("output `{name}` is computed from target `{target}`"))
                .note("`forward` is given the inputs only")
                .help(format!("declare `input {target}: …`, or leave `{target}` to the losses"));
            return self.error(error);
        }

        let node = value.node();
        let mut state = self.state.borrow_mut();
        if state.outputs.iter().any(|(known, _)| &**known == name) {
            drop(state);
            self.error(Error::new(format!("output `{name}` is declared twice")));
        } else if let Some(node) = node {
            state.outputs.push((name.into(), node));
        }
    }

    /// A target that `value` is computed from.
    fn target_below(&self, value: &Value) -> Option<Arc<str>> {
        let first = value.node();
        let state = self.state.borrow();
        let graph = &state.graph;
        let is_target = |input: usize| graph.inputs[input].role == Role::Target;
        let mut seen = vec![false; graph.len()];

        let mut open: Vec<NodeId> = first.into_iter().collect();
        while let Some(node) = open.pop() {
            if std::mem::replace(&mut seen[node.index()], true) {
                continue;
            }
            if let Op::Input(input) = graph.op(node)
                && is_target(*input)
            {
                return Some(graph.inputs[*input].name.clone());
            }
            open.extend(graph.operands_of(node));
        }

        None
    }

    /// Declares a loss, a scalar to minimise over the storages `over` (all when `None`).
    pub fn loss(&self, name: &str, value: &Value, over: Option<Vec<usize>>) {
        let Some(node) = value.node() else { return };
        if !self.is_outside(&format!("loss `{name}`")) {
            return;
        }
        let ty = value.ty();
        if ty.as_ref().is_some_and(|ty| ty.rank() != 0 || !ty.element.is_float()) {
            let shape = ty.map(|ty| ty.to_string()).unwrap_or_default();
            self.error(
                Error::new(format!("loss `{name}` is no scalar"))
                    .note(format!("it has type {shape}"))
                    .help("take `mean(…)` or `sum(…)` of it"),
            );
            return;
        }

        let mut state = self.state.borrow_mut();
        if state.losses.iter().any(|loss| &*loss.name == name) {
            drop(state);
            let error = Error::new(format!("loss `{name}` is declared twice"));
            // What a loss without a name is called.
            let help = if name == "loss" { "name them: `loss first = …`" } else { "take another name" };
            self.error(error.help(help));
            return;
        }

        let origin = state.graph.current_origin().clone();
        state.losses.push(Loss { name: name.into(), node, over, origin });
    }

    /// Records a mistake at the current origin (unless it has one).
    pub fn error(&self, error: Error) {
        let mut state = self.state.borrow_mut();
        let error = if error.origin == Origin::default() {
            let origin = Origin { layer: state.names.path(), ..state.graph.current_origin().clone() };
            error.at(origin)
        } else {
            error
        };
        if !state.errors.contains(&error) {
            state.errors.push(error);
        }
    }

    /// Records a mistake and gives the unknown value.
    pub fn fail(&self, error: Error) -> Value {
        self.error(error);
        self.unknown()
    }

    /// A value nothing is known of.
    pub fn unknown(&self) -> Value {
        Value { builder: self.clone(), node: None, body: 0 }
    }

    /// Takes the mistakes recorded so far.
    pub fn take_errors(&self) -> Vec<Error> {
        std::mem::take(&mut self.state.borrow_mut().errors)
    }

    /// How many mistakes are recorded.
    pub fn count_errors(&self) -> usize {
        self.state.borrow().errors.len()
    }

    /// The handle of a node.
    pub fn value(&self, node: NodeId) -> Value {
        let body = self.bodies.borrow().holding(node);
        Value { builder: self.clone(), node: Some(node), body }
    }

    /// A scalar f32 constant.
    pub fn constant(&self, value: f64) -> Value {
        let node = self.state.borrow_mut().graph.constant(ElementType::F32, value);
        self.value(node)
    }

    /// A scalar mask.
    pub fn flag(&self, flag: bool) -> Value {
        let node = self.state.borrow_mut().graph.constant(ElementType::Bool, f64::from(u8::from(flag)));
        self.value(node)
    }

    /// The number a size stands for, as an f32 scalar; it follows the element type beside it.
    pub fn dim_value(&self, dim: &Dim) -> Value {
        match dim.as_constant() {
            Some(number) => self.constant(number as f64),
            None => self.apply(Op::DimValue { dim: dim.clone(), element: ElementType::F32 }, &[]),
        }
    }

    /// Works on the graph itself; for code that writes primitives.
    ///
    /// # Panics
    /// Where `work` calls this builder again.
    pub fn with_graph<R>(&self, work: impl FnOnce(&mut Graph) -> R) -> R {
        work(&mut self.state.borrow_mut().graph)
    }

    /// Adds a primitive; a refusal is recorded as a mistake, and an unknown operand makes an unknown value.
    pub fn apply(&self, op: Op, operands: &[&Value]) -> Value {
        let Some(nodes) = operands.iter().map(|value| value.node()).collect::<Option<Vec<_>>>() else {
            return self.unknown();
        };

        if operands.iter().any(|value| !value.builder.is(self)) {
            let error = Error::new("values of two networks meet in one operation");
            return self
                .fail(error.help("compute with the values that the function is given, and keep none"));
        }

        let added = self.state.borrow_mut().graph.try_add(op, &nodes);
        match added {
            Ok(node) => self.value(node),
            Err(error) => self.fail(error),
        }
    }

    /// Ends the declaration.
    ///
    /// # Errors
    /// All mistakes recorded.
    pub fn finish(self) -> Result<Declaration, Errors> {
        let mut state = self.state.borrow_mut();
        if !state.errors.is_empty() {
            return Err(Errors(std::mem::take(&mut state.errors)));
        }

        // Names are known only now: a binding's layers are numbered where it has several.
        let full_names = state.names.resolve();
        for (storage, name) in state.graph.storages.iter_mut().zip(full_names) {
            storage.name = name;
        }
        for (node, label) in std::mem::take(&mut state.labels) {
            state.graph.set_label(node, label);
        }

        // Inference reads states only.
        let mut updates = state.updates.take();
        updates.retain(|_| state.mode == Mode::Train);
        Ok(Declaration {
            graph: std::mem::take(&mut state.graph),
            outputs: std::mem::take(&mut state.outputs),
            losses: std::mem::take(&mut state.losses),
            updates,
            checks: std::mem::take(&mut state.checks),
            mode: state.mode,
        })
    }
}

impl Value {
    /// The builder it belongs to.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    /// Its node; `None` when unknown. A mistake where it belongs to a loop's body that is complete.
    pub fn node(&self) -> Option<NodeId> {
        if self.builder.bodies.borrow().is_open(self.body) {
            return self.node;
        }
        let error = Error::new("a value of the body of a `scan` is used outside of it");
        if self.builder.state.try_borrow_mut().is_ok() {
            self.builder.error(error.help("the body gives what is used outside: yield it, or carry it"));
        }
        None
    }

    /// Its type; `None` when unknown.
    pub fn ty(&self) -> Option<Type> {
        self.node().map(|node| self.builder.state.borrow().graph.ty(node).clone())
    }

    /// Its shape; `None` when unknown.
    pub fn shape(&self) -> Option<Shape> {
        self.ty().map(|ty| ty.shape)
    }

    /// Names it for messages and pictures; the first name stays.
    #[must_use]
    pub fn named(self, name: &str) -> Value {
        if let Some(node) = self.node() {
            self.builder.state.borrow_mut().labels.entry(node).or_insert_with(|| name.into());
        }
        self
    }

    /// Has messages speak of it as it is written, where it has no name; what was first written stays.
    pub fn written(&self, text: &str) {
        if let Some(node) = self.node() {
            self.builder.state.borrow_mut().written.entry(node).or_insert_with(|| text.into());
        }
    }

    /// How messages speak of it: its name or how it is written, in backticks, or what made it.
    pub fn label(&self) -> String {
        let Some(node) = self.node() else { return "an unknown value".into() };
        let state = self.builder.state.borrow();
        if let Some(name) = state.labels.get(&node).or_else(|| state.written.get(&node)) {
            return format!("`{name}`");
        }
        let Op::Constant(literal) = state.graph.op(node) else { return "this value".into() };
        format!("`{literal}`")
    }
}
