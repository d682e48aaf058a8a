//! Results that are made phase by phase: products with a spread factor (`fusion/spread.rs`), and what is made of them element by element.
//!
//! In: a group. Out: its [`Phase`]s, each of which is loops of its own over every `step`-th element.

use crate::fusion::group::Group;
use crate::fusion::spread::spread_of;
use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::Buffer;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId};
use std::collections::BTreeMap;

/// An axis that is folded: its elements `first`, `first + step`, ….
pub(super) struct Folded {
    pub(super) axis: usize,
    pub(super) count: Dim,
    pub(super) first: i64,
    pub(super) step: i64,
}

impl Folded {
    /// All of an axis of this size.
    pub(super) fn whole(axis: usize, size: &Dim) -> Folded {
        Folded { axis, count: size.clone(), first: 0, step: 1 }
    }
}

/// The elements of results whose indices have one rest each, along axes that a factor is spread along.
pub(super) struct Phase {
    product: NodeId,
    axes: Vec<PhaseAxis>,
}

#[derive(Clone)]
struct PhaseAxis {
    /// Which of the loops over results.
    place: usize,
    step: i64,
    rest: i64,
    /// The pair of summed axes that are the taps, and the first of them that sees an element.
    taps: Option<usize>,
    first: i64,
}

/// The phases of what a group makes; none where its loops go over all elements.
pub(super) fn phases(graph: &Graph, read_from: &BTreeMap<NodeId, Buffer>, group: &Group) -> Vec<Phase> {
    let spread = group.roots.iter().find_map(|root| {
        let spread = spread_of(graph, root.node)?;
        (!read_from.contains_key(&spread.padded)).then_some((root, spread))
    });
    let Some((root, spread)) = spread else { return Vec::new() };

    let mut all = vec![Vec::new()];
    for axis in &spread.axes {
        let place = root.domain.iter().position(|(position, _)| *position == axis.result).unwrap_or_default();
        let phase = |rest: i64| {
            let (step, taps) = (axis.step, axis.taps);
            PhaseAxis { place, step, rest, taps, first: axis.first_tap(rest) }
        };
        let with = |before: &Vec<PhaseAxis>, rest| [&before[..], &[phase(rest)]].concat();
        all = all.iter().flat_map(|before| (0..axis.step).map(move |rest| with(before, rest))).collect();
    }
    all.into_iter().map(|axes| Phase { product: root.node, axes }).collect()
}

impl Phase {
    /// The extents of loops over results, of this phase alone.
    pub(super) fn narrow(&self, extents: &mut [Dim]) {
        for axis in &self.axes {
            let behind = &extents[axis.place] + &Dim::from(axis.step - 1 - axis.rest);
            extents[axis.place] = behind.divide(&Dim::from(axis.step));
        }
    }

    /// The index of an element of a result, of which the loops count those of this phase.
    pub(super) fn place(&self, loops: &[Axis], index: &mut [Affine]) {
        for axis in &self.axes {
            let counter = Affine::axis(loops[axis.place]);
            let element = counter.times(&Dim::from(axis.step)).offset(&Dim::from(axis.rest));
            index.iter_mut().filter(|at| **at == counter).for_each(|at| *at = element.clone());
        }
    }

    /// Leaves of the summed axes of a product the taps that see elements. False where there are none.
    pub(super) fn keeps_terms(&self, product: NodeId, folded: &mut [Folded]) -> bool {
        if product != self.product {
            return true;
        }
        self.axes.iter().all(|axis| {
            let Some(folded) = axis.taps.map(|taps| &mut folded[taps]) else { return axis.first == 0 };
            let taps = folded.count.as_constant().unwrap_or_default();
            let left = (taps - axis.first + axis.step - 1) / axis.step;
            (folded.first, folded.step, folded.count) = (axis.first, axis.step, Dim::from(left));
            left > 0
        })
    }
}
