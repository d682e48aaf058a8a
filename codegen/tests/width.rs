//! Elements of 8 bytes: what is planned, laid out and packed counts the bytes of each type, though only f32 becomes code today.

use downhill_codegen::error::Error;
use downhill_codegen::pipeline::{Planned, Purposes, Wanted, compile};
use downhill_codegen::target::{InstructionSet, Target};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, Purpose, Role, Storage, StorageKind};
use downhill_graph::op::{Binary, Op, Reduction};
use downhill_graph::random::Initializer;
use downhill_graph::stages::{Stage, Stages};
use downhill_graph::types::{ElementType, Shape, Type};
use target_lexicon::Triple;

/// `w ← w − xᵀ·tanh(x·w)`, and the sum of its square as the loss.
fn step(element: ElementType) -> Graph {
    let ty = |dims: [Dim; 2]| Type::new(element, Shape(dims.into()));
    let (rows, columns) = (Dim::from(300), Dim::from(200));
    let mut graph = Graph::default();
    graph.inputs.push(Input {
        name: "x".into(),
        ty: ty([Dim::symbol("batch"), rows.clone()]),
        role: Role::Input,
        below: None,
    });
    graph.storages.push(Storage {
        name: "w".into(),
        ty: ty([rows, columns]),
        kind: StorageKind::Parameter,
        initializer: Initializer::Constant(0.1),
        exchange: Default::default(),
        origin: Default::default(),
    });
    let x = graph.add(Op::Input(0), &[]);
    let w = graph.add(Op::Storage(0), &[]);
    let product =
        |batch: usize, side: usize| Op::DotGeneral { batch: Vec::new(), contract: vec![(batch, side)] };
    let z = graph.add(product(1, 0), &[x, w]);
    let h = graph.add(Op::Unary(downhill_graph::op::Unary::Tanh), &[z]);
    let change = graph.add(product(0, 0), &[x, h]);
    let next = graph.add(Op::Binary(Binary::Sub), &[w, change]);
    let square = graph.add(Op::Binary(Binary::Mul), &[h, h]);
    let sum = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1] }, &[square]);
    let loss = graph.add(Op::Convert(ElementType::F32), &[sum]);
    graph.results = vec![(Purpose::Loss("loss".into()), loss), (Purpose::Update(0), next)];
    graph
}

/// What plan and schedule showed, and how compiling ended.
fn compiled(element: ElementType) -> (Vec<String>, Result<(), Error>) {
    let target =
        Target::new(Triple::host(), InstructionSet::Portable).expect("a target").threads(2).dividing_from(0);
    let mut shown = Vec::new();
    let mut show = |_: &str, _: Stage, text: &str| shown.push(text.to_owned());
    let mut stages = Stages::watched(&[Stage::Plan, Stage::Schedule], &mut show);
    let outcome = Planned::new("step", step(element), &mut stages).and_then(|planned| {
        let wanted = Wanted { planned: &planned, variants: &[Bindings::new()] };
        compile(&[wanted], Purposes { target: &target, marked: false }, &mut stages)
    });
    drop(stages);
    (shown, outcome.map(|_| ()))
}

/// `arena0: 800*batch bytes, …` as `800*batch`, evaluated for 16 rows.
fn arena_bytes(plan: &str) -> Vec<i64> {
    let batch = Bindings::from([("batch".into(), 16)]);
    let sizes = plan.lines().filter(|line| line.starts_with("arena") && line.contains(" bytes"));
    let bytes = |line: &str| -> i64 {
        let dim = line.split(": ").nth(1).and_then(|rest| rest.split(" bytes").next()).expect("a size");
        let product = dim.split('*').map(|factor| factor.parse().unwrap_or_else(|_| batch[factor]));
        product.product()
    };
    sizes.map(bytes).collect()
}

#[test]
fn an_entry_of_f64_is_planned_and_laid_out() {
    let (narrow, made) = compiled(ElementType::F32);
    made.expect("code of f32");
    let (wide, refused) = compiled(ElementType::F64);
    assert!(matches!(&refused, Err(Error::Unsupported(why)) if why.contains("f64")), "{refused:?}");

    let [narrow_plan, narrow_schedule] = &narrow[..] else { panic!("{} forms", narrow.len()) };
    let [wide_plan, wide_schedule] = &wide[..] else { panic!("{} forms", wide.len()) };
    let bytes = arena_bytes(narrow_plan);
    assert!(!bytes.is_empty(), "{narrow_plan}");
    let doubled: Vec<i64> = bytes.iter().map(|bytes| 2 * bytes).collect();
    assert_eq!(arena_bytes(wide_plan), doubled, "{wide_plan}");

    // Kernels, their loops and what is packed are the same.
    let kernels =
        |text: &str| text.lines().filter(|line| !line.starts_with("arena")).collect::<Vec<_>>().join("\n");
    assert_eq!(kernels(wide_plan), kernels(narrow_plan));
    assert_eq!(wide_schedule, narrow_schedule);
}
