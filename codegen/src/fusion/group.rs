//! Which stored values one kernel makes together.
//!
//! In: roots in an order of evaluation. Out: [`Group`]s, each after those it reads.
//!
//! Must hold:
//! - no group depends on itself through another group;
//! - within a group, a root that shares a loop nest with an earlier root reads it at the very same index (it is still in a register)
//!   or after the earlier one's inner loop has ended;
//! - what is decided depends on the graph alone, never on the target (D9);
//! - the time grows with the number of roots alone, however deep the graph: what could be looked for without end (a group to join, a
//!   dependency) is looked for among so many groups and no more.
//!
//! # Decisions
//!
//! - A kernel takes 16 roots that read none of its others, and no more: the bias gradients of 340 layers were one kernel of 700
//!   arguments, compiled for that network alone; now they are kernels of one form.
//! - Transcendental work is not merged into a kernel whose lanes belong to a fold: it would run one element at a time; the
//!   kernel of its own is wide over the batch.

use super::root::{Read, Root, domain};
use crate::fusion::prepare::innermost_axis;
use crate::ir::affine::Axis;
use downhill_graph::dim::Dim;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::hash::{Map, Set};
use downhill_graph::loops::is_same_loop;
use downhill_graph::op::Op;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Roots that one kernel makes.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// In the order in which they are made.
    pub roots: Vec<Root>,
}

/// A kernel takes no more roots once it has this many statements: what compilers do with one function grows faster than its length.
const MOST_STATEMENTS: usize = 1024;

/// A kernel takes no more roots that stand beside the others, reading none of them, once it has this many: they share a loop's counter and
/// no value. So the gradients of a thousand layers' biases are kernels of one form, and not one of some hundred arguments.
const MOST_BESIDE: usize = 16;

/// How many groups of the same loops a root that reads none of them tries to join, the last ones first.
const CANDIDATES: usize = 16;

/// How many groups are looked at to find out whether one needs another; beyond that it counts as needed.
const SEARCH: usize = 128;

/// What counts when another root wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    /// Extents of its loops.
    extents: Vec<Dim>,
    heavy: bool,
    folds_innermost: bool,
}

/// A group being made.
#[derive(Default)]
struct Making {
    group: Group,
    /// The kinds of its roots, each once.
    kinds: Vec<Kind>,
    statements: usize,
    makes_loss: bool,
    has_product: bool,
    stands_alone: bool,
    /// Groups that it reads.
    needs: BTreeSet<usize>,
    /// Groups that read it.
    users: BTreeSet<usize>,
    /// Greater than that of any group it needs.
    level: usize,
}

struct Grouping<'a> {
    graph: &'a Graph,
    apart: BTreeSet<NodeId>,
    groups: Vec<Making>,
    /// Groups without a product whose roots all have these extents, in the order in which they were made.
    alike: Map<Vec<Dim>, Vec<usize>>,
    /// The group of a root, and its position there.
    home: BTreeMap<NodeId, (usize, usize)>,
    updates: BTreeSet<NodeId>,
    losses: BTreeSet<NodeId>,
    /// A result of each loop.
    loops: Vec<NodeId>,
}

/// `apart` are roots that share no kernel besides.
pub(crate) fn group(graph: &Graph, roots: Vec<Root>, apart: BTreeSet<NodeId>) -> Vec<Group> {
    let results = |wanted: fn(&Purpose) -> bool| {
        graph.results.iter().filter(|(p, _)| wanted(p)).map(|(_, id)| *id).collect()
    };
    let mut grouping = Grouping {
        graph,
        apart,
        groups: Vec::new(),
        alike: Map::default(),
        home: BTreeMap::new(),
        updates: results(|purpose| matches!(purpose, Purpose::Update(_))),
        losses: results(|purpose| matches!(purpose, Purpose::Loss(_))),
        loops: Vec::new(),
    };
    // What a loop makes is copied to a storage when it is over.
    grouping.updates.retain(|&update| graph.op(update).class() != Class::Loop);
    // A storage may change only after the loss is known to be finite: losses come before updates.
    let (updates, others): (Vec<Root>, Vec<Root>) =
        roots.into_iter().partition(|root| grouping.updates.contains(&root.node));
    let early = needed_by(&others, &updates);
    let mut late: Vec<Root> = Vec::new();
    for root in others {
        if early.contains(&root.node) { grouping.place(root) } else { late.push(root) }
    }
    late.extend(updates);
    late.sort_by_key(|root| root.node);
    late.into_iter().for_each(|root| grouping.place(root));
    in_order(grouping.groups)
}

/// The roots that do not need an updated value: all but those that read one.
fn needed_by(others: &[Root], updates: &[Root]) -> BTreeSet<NodeId> {
    let mut late: BTreeSet<NodeId> = updates.iter().map(|root| root.node).collect();
    let mut early = BTreeSet::new();
    for root in others {
        if root.reads.iter().any(|read| late.contains(&read.node)) {
            late.insert(root.node);
        } else {
            early.insert(root.node);
        }
    }
    early
}

impl Grouping<'_> {
    fn place(&mut self, root: Root) {
        let homes = root.reads.iter().filter_map(|read| self.home.get(&read.node));
        let mut direct: BTreeSet<usize> = homes.map(|(group, _)| *group).collect();
        if self.updates.contains(&root.node) {
            direct.extend(self.losses.iter().filter_map(|loss| self.home.get(loss)).map(|(group, _)| *group));
        }
        let kind = self.kind(&root);
        let home = self.home_of_loop(root.node).or_else(|| self.find_home(&root, &kind, &direct));
        let home = home.unwrap_or_else(|| {
            self.groups.push(Making {
                has_product: self.is_product(&root),
                stands_alone: self.stands_alone(&root),
                ..Making::default()
            });
            self.groups.len() - 1
        });
        self.add(home, root, kind);
        direct.remove(&home);
        self.need(home, direct);
    }

    /// The group that a root joins. What made the operands comes first: they may still be in registers.
    fn find_home(&self, root: &Root, kind: &Kind, direct: &BTreeSet<usize>) -> Option<usize> {
        if self.stands_alone(root) || self.is_product(root) {
            return None;
        }
        let mut ancestors = Ancestors::of(&self.groups, direct);
        let others = self.alike.get(&kind.extents).into_iter().flatten().rev().take(CANDIDATES);
        let others = others.filter(|candidate| !direct.contains(candidate));
        let mut candidates = direct.iter().rev().chain(others).copied();
        candidates.find(|&candidate| {
            self.accepts(candidate, root, kind, direct.contains(&candidate)) && !ancestors.contain(candidate)
        })
    }

    /// The group of the loop that makes a result, if another of its results is placed already.
    fn home_of_loop(&mut self, node: NodeId) -> Option<usize> {
        if self.graph.op(node).class() != Class::Loop {
            return None;
        }
        let known = self.loops.iter().find(|&&other| is_same_loop(self.graph, node, other)).copied();
        if known.is_none() {
            self.loops.push(node);
        }
        self.home.get(&known?).map(|(home, _)| *home)
    }

    fn kind(&self, root: &Root) -> Kind {
        Kind {
            extents: root.domain.iter().map(|(_, dim)| dim.clone()).collect(),
            heavy: root.heavy,
            folds_innermost: folds_innermost(self.graph, root.node),
        }
    }

    fn add(&mut self, home: usize, root: Root, kind: Kind) {
        let group = &mut self.groups[home];
        group.statements += root.statements;
        group.makes_loss |= self.losses.contains(&root.node);
        let was_alike = group.kinds.first().map(|first| first.extents.clone());
        if !group.kinds.contains(&kind) {
            group.kinds.push(kind.clone());
        }
        self.home.insert(root.node, (home, group.group.roots.len()));
        group.group.roots.push(root);
        let has_room = group.statements < MOST_STATEMENTS
            && group.group.roots.len() < MOST_BESIDE
            && !group.has_product
            && !group.stands_alone;
        let is_alike = has_room && group.kinds.iter().all(|other| other.extents == kind.extents);
        match was_alike {
            None if is_alike => self.alike.entry(kind.extents).or_default().push(home),
            Some(extents) if !is_alike => {
                let alike = self.alike.entry(extents).or_default();
                if let Some(place) = alike.iter().rposition(|group| *group == home) {
                    alike.remove(place);
                }
            }
            _ => {}
        }
    }

    /// Notes that a group reads others, and raises the levels of what reads it.
    fn need(&mut self, group: usize, others: BTreeSet<usize>) {
        for &other in &others {
            self.groups[other].users.insert(group);
            self.groups[group].level = self.groups[group].level.max(self.groups[other].level + 1);
        }
        self.groups[group].needs.extend(others);
        let mut raised = vec![group];
        while let Some(group) = raised.pop() {
            let above = self.groups[group].level + 1;
            for user in self.groups[group].users.clone() {
                if self.groups[user].level < above {
                    self.groups[user].level = above;
                    raised.push(user);
                }
            }
        }
    }

    /// Whether a root fits beside all that a group makes.
    fn accepts(&self, candidate: usize, root: &Root, kind: &Kind, reads_it: bool) -> bool {
        let group = &self.groups[candidate];
        let is_update = self.updates.contains(&root.node);
        let refuses = (is_update && group.makes_loss)
            || group.stands_alone
            || (!reads_it && (group.has_product || group.group.roots.len() >= MOST_BESIDE))
            || group.statements >= MOST_STATEMENTS;
        !refuses
            && group.kinds.iter().all(|other| fits(kind, other, reads_it && !group.has_product))
            && root.reads.iter().all(|read| self.in_step(read, candidate, kind))
    }

    /// Whether a read of what the group makes is of the same iteration of the common loops.
    fn in_step(&self, read: &Read, candidate: usize, kind: &Kind) -> bool {
        let Some(&(_, place)) = self.home.get(&read.node).filter(|(home, _)| *home == candidate) else {
            return true;
        };
        let other = &self.groups[candidate].group.roots[place];
        let shared = shared(&kind.extents, other.domain.iter().map(|(_, dim)| dim));
        (0..shared).all(|place| {
            let (position, _) = other.domain[place];
            read.index[position].as_axis() == Some(Axis(place as u32))
        })
    }

    /// Its columns are lanes, its rows go together: nothing is made before it in the same loops.
    fn is_product(&self, root: &Root) -> bool {
        root.domain.len() > 1 && self.graph.op(root.node).class() == Class::Contraction
    }

    /// Made by several loop nests of its own, zeros first, then pieces; or by a loop whose iterations run one after another.
    fn stands_alone(&self, root: &Root) -> bool {
        let class = self.graph.op(root.node).class();
        matches!(class, Class::Pieces | Class::Prefix | Class::Scatter | Class::Loop)
            || self.apart.contains(&root.node)
    }
}

/// Whether roots of two kinds may share loops: the same ones, or where `nested` the loops of one around those of the other.
fn fits(root: &Kind, other: &Kind, nested: bool) -> bool {
    let shared = shared(&root.extents, other.extents.iter());
    let (own, others) = (root.extents.len(), other.extents.len());
    let fits = shared == own && shared == others || nested && shared > 0 && shared == own.min(others);
    fits && !wastes_lanes(root, other) && !wastes_lanes(other, root)
}

/// Whether costly work of `root`, wide in a kernel of its own, would be done one element at a time beside `other`: because the
/// lanes of that kernel belong to a fold, or to an axis that `root` does not have.
fn wastes_lanes(root: &Kind, other: &Kind) -> bool {
    let takes_lanes = match root.extents.len().cmp(&other.extents.len()) {
        Ordering::Less => !root.folds_innermost,
        Ordering::Equal => other.folds_innermost,
        Ordering::Greater => false,
    };
    root.heavy && takes_lanes
}

/// How many outer axes two roots have in common.
fn shared<'a>(extents: &[Dim], others: impl Iterator<Item = &'a Dim>) -> usize {
    extents.iter().zip(others).take_while(|(x, y)| x == y).count()
}

/// Whether a fold goes over elements that lie next to each other, so that its lanes are best along the fold.
fn folds_innermost(graph: &Graph, node: NodeId) -> bool {
    let op = graph.op(node);
    let folded: Vec<usize> = if let Op::Reduce { axes, .. } = op {
        axes.clone()
    } else if let Op::DotGeneral { contract, .. } = op
        && domain(graph, node).len() <= 1
    {
        contract.iter().map(|pair| pair.0).collect()
    } else {
        return false;
    };
    innermost_axis(graph, graph.operand(node, 0)).is_some_and(|axis| folded.contains(&axis))
}

/// The groups that some groups need, directly or not, found from high levels to low ones as far as is asked.
struct Ancestors<'a> {
    groups: &'a [Making],
    found: Set<usize>,
    /// Found, but what they need themselves is not: (level, group).
    open: BinaryHeap<(usize, usize)>,
}

impl<'a> Ancestors<'a> {
    fn of(groups: &'a [Making], of: &BTreeSet<usize>) -> Ancestors<'a> {
        let mut ancestors = Ancestors { groups, found: Set::default(), open: BinaryHeap::new() };
        of.iter().for_each(|&group| ancestors.open_needs(group));
        ancestors
    }

    fn open_needs(&mut self, group: usize) {
        for &need in &self.groups[group].needs {
            if self.found.insert(need) {
                self.open.push((self.groups[need].level, need));
            }
        }
    }

    /// Whether a group is needed. It counts as needed where that would take too long to find out.
    fn contain(&mut self, group: usize) -> bool {
        while let Some(&(level, next)) = self.open.peek() {
            if level <= self.groups[group].level {
                break;
            }
            if self.found.len() > SEARCH {
                return true;
            }
            self.open.pop();
            self.open_needs(next);
        }
        self.found.contains(&group)
    }
}

/// Groups in an order of evaluation that stays close to the order in which they were made.
fn in_order(groups: Vec<Making>) -> Vec<Group> {
    let needed = count_needs(&groups);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    // A group needs strictly more groups than any group it needs.
    order.sort_by_key(|&group| (needed[group], group));
    let mut groups: Vec<Option<Making>> = groups.into_iter().map(Some).collect();
    order.into_iter().filter_map(|group| groups[group].take()).map(|making| making.group).collect()
}

/// How many groups each group needs, directly or not: a bit for each, some hundreds of groups at a time.
fn count_needs(groups: &[Making]) -> Vec<u32> {
    const WORDS: usize = 8;
    let mut upward: Vec<usize> = (0..groups.len()).collect();
    upward.sort_by_key(|&group| groups[group].level);
    let mut counts = vec![0_u32; groups.len()];
    let mut needs = vec![[0_u64; WORDS]; groups.len()];
    for first in (0..groups.len()).step_by(WORDS * 64) {
        for &group in &upward {
            let mut bits = [0_u64; WORDS];
            for &need in &groups[group].needs {
                bits.iter_mut().zip(&needs[need]).for_each(|(bits, more)| *bits |= more);
                if let Some(place) = need.checked_sub(first).filter(|place| *place < WORDS * 64) {
                    bits[place / 64] |= 1 << (place % 64);
                }
            }
            counts[group] += bits.iter().map(|word| word.count_ones()).sum::<u32>();
            needs[group] = bits;
        }
    }
    counts
}
