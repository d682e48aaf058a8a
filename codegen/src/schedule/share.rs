//! Which kernels threads share, and which of them at once.
//!
//! In: the kernels of a variant in their order, each with the loops that threads may divide. Out: a division for kernels that are worth it,
//! and *teams*: consecutive kernels that threads run one after another, each thread its part of all of them, without waiting for
//! the others. A loop of the plan whose kernels could be one team is shared as a whole: each thread runs all turns for its rows.
//!
//! Must hold: within a team or such a loop, nobody touches what another thread writes ([`crate::schedule::meet`]), and those over the same
//! rows are cut at the same places. Memory of its buffers is not used again before its end. A kernel that walks through all elements of its rows
//! in one loop is divided between rows.
//!
//! # Decisions
//!
//! - Small kernels that follow one another are worth a thread together where none is alone: the forward kernels of 10-45-45-10 at
//!   batch 4,096 take 20 to 150 µs each. And rows stay in the cache of the core that made them. A step of 10-w-w-10 on two threads is so
//!   many times as fast as on one, each kernel divided by itself and now (Zen 3): w = 46 at batch 1,024 0.99 and 1.11, at 4,096
//!   1.13 and 1.49, w = 64 at 1,024 0.98 and 1.73, at 4,096 1.48 and 1.62, w = 128 at 1,024 1.57 and 1.78.
//! - A team ends once it is worth many threads, and after some kernels: its buffers live as long as it does.
//! - What only packs for later kernels of a team, such as a panel of weights, is done before it, by one thread: otherwise it would end the
//!   team. A large copy, or one whose size is not known, is shared as any kernel.

use crate::abi::LEAST_WORK;
use crate::ir::kernel::{Buffer, Expression, Item};
use crate::plan::arena::Arena;
use crate::plan::step::Repeat;
use crate::schedule::cuts::{are_fine, same_cuts};
use crate::schedule::divide::Division;
use crate::schedule::meet::{Member, at_rows};
use crate::schedule::specialize::{Form, Instance, Shared, guard};
use crate::target::Target;
use downhill_graph::dim::{Bindings, Dim};
use std::collections::BTreeSet;
use std::ops::Range;

/// The most kernels of a team, and the most that pack something ahead of it.
const MOST: usize = 16;
/// The most kernels of a loop that is shared as a whole: each is held against every other.
const MOST_OF_LOOP: usize = 64;
/// A team is not added to once it is worth as many threads as this: what handing it over costs is nothing beside it.
const ENOUGH: i64 = 32;
/// A loop that gives each thread so many pieces is as good as one that gives more.
const PIECES: i64 = 4;

/// Decides for all kernels how threads share them; of the loops around them the sizes are `fixed`. Lifetimes of buffers in `arena` are made as
/// long as their teams.
pub(crate) fn share(
    instances: &mut [Instance],
    repeats: &[Repeat],
    arena: &mut Arena,
    fixed: &Bindings,
    target: &Target,
) {
    let Some(worth) = target.worth() else { return };
    let is_worth_it = |work: &Dim| work.as_constant().is_none_or(|work| work >= worth);

    for outer in outermost(repeats) {
        let inside =
            |instance: &Instance| instance.around.is_some() && outer.kernels.contains(&instance.step);
        let Some(first) = instances.iter().position(inside) else { continue };
        let count = instances[first..].iter().take_while(|instance| inside(instance)).count();
        let members = whole_loop(&instances[first..first + count], target);
        let own = &mut instances[first..first + count];
        let costs = own.iter().map(|instance| &instance.form.cost * &turns(instance, repeats, fixed));
        if let Some(members) = members
            && is_worth_it(&costs.fold(Dim::default(), |sum, cost| &sum + &cost))
        {
            settle(members, None, own, target);
            live_as_one(own, arena);
        }
    }

    for (number, team) in teams(instances, target).into_iter().enumerate() {
        let own = &mut instances[team.kernels];
        let may_be_shared = team.members.len() > 1 || team.members[0].division.is_some();
        if may_be_shared && is_worth_it(&team.work) {
            for (place, &at) in team.ahead.iter().enumerate() {
                own[place..=at].rotate_right(1);
            }
            settle(team.members, Some(number), &mut own[team.ahead.len()..], target);
            live_as_one(own, arena);
        }
    }
}

/// So many pieces are as good as more.
fn enough_pieces(target: &Target) -> i64 {
    PIECES * target.thread_count() as i64
}

/// Consecutive kernels that go together, of those that are not shared yet. One in a loop is alone.
fn teams(instances: &[Instance], target: &Target) -> Vec<Team> {
    let updates = guard(instances);
    let mut teams: Vec<Team> = Vec::new();
    for (position, instance) in instances.iter().enumerate().filter(|(_, instance)| instance.shared.is_none())
    {
        let goes_on = |team: &&mut Team| {
            let outside = [position - 1, position].iter().all(|&n| instances[n].around.is_none());
            team.kernels.end == position && position != updates && outside && team.has_room()
        };
        let joined = teams.last_mut().filter(goes_on).is_some_and(|team| team.join(instance, target));
        if !joined {
            teams.push(Team::begin(position, instance));
        }
    }
    teams
}

/// The loops that no other is around.
fn outermost(repeats: &[Repeat]) -> impl Iterator<Item = &Repeat> {
    let is_inside = |one: &Repeat, other: &Repeat| {
        one != other && other.kernels.start <= one.kernels.start && one.kernels.end <= other.kernels.end
    };
    // Outer loops stand behind inner ones.
    let outer = move |(position, one): &(usize, &Repeat)| {
        !repeats[position + 1..].iter().any(|other| is_inside(one, other))
    };
    repeats.iter().enumerate().filter(outer).map(|(_, repeat)| repeat)
}

/// How often a kernel runs in a step.
fn turns(instance: &Instance, repeats: &[Repeat], fixed: &Bindings) -> Dim {
    let around =
        repeats.iter().filter(|repeat| instance.around.is_some() && repeat.kernels.contains(&instance.step));
    around.fold(Dim::from(1), |turns, repeat| &turns * &repeat.turns.bind(fixed))
}

/// The kernels of a loop, divided at the same rows, if each thread can run all turns for its rows.
fn whole_loop(instances: &[Instance], target: &Target) -> Option<Vec<Member>> {
    if instances.len() > MOST_OF_LOOP {
        return None;
    }
    let mut rows: Vec<&Dim> = Vec::new();
    for division in instances.iter().flat_map(|instance| &instance.form.divisions) {
        if !rows.contains(&&division.turns) {
            rows.push(&division.turns);
        }
    }
    let is_fine = |members: &Vec<Member>, rows: &Dim| are_fine(members.iter(), rows, enough_pieces(target));
    rows.into_iter().find_map(|rows| loop_at(instances, rows).filter(|members| is_fine(members, rows)))
}

fn loop_at(instances: &[Instance], rows: &Dim) -> Option<Vec<Member>> {
    let mut members: Vec<Member> = Vec::with_capacity(instances.len());
    for instance in instances {
        let divisions = instance.form.divisions.iter().filter_map(|division| at_rows(division, rows));
        let mut choices = divisions.map(|division| Member::of(instance, Some(division)));
        // Turns of one kernel meet each other, too.
        let goes =
            |member: &Member| member.goes_with(member) && members.iter().all(|other| member.goes_with(other));
        members.push(choices.find(goes)?);
    }
    Some(members)
}

/// Has threads share kernels as these members say. Kernels that are not divided go to whom has least to do.
fn settle(mut members: Vec<Member>, team: Option<usize>, instances: &mut [Instance], target: &Target) {
    same_cuts(&mut members);
    let threads = target.thread_count().max(1);
    let mut busy = vec![0.0; threads];
    for (instance, member) in instances.iter().zip(&members).filter(|(_, member)| member.division.is_some()) {
        member
            .pieces(threads as i64)
            .zip(&mut busy)
            .for_each(|(part, busy)| *busy += part * assumed(&instance.form.cost));
    }
    for (instance, Member { division, .. }) in instances.iter_mut().zip(members) {
        let mut first = 0;
        if division.is_none() {
            let least = (0..threads).min_by(|&a, &b| busy[a].total_cmp(&busy[b])).unwrap_or(0);
            busy[least] += assumed(&instance.form.cost);
            // A single piece is that of the last range.
            first = (threads - 1 - least) as i64;
        }
        instance.shared = Some(Shared { division, first, team });
    }
}

/// A cost in numbers; 0 where it is not known, and then all are.
fn assumed(cost: &Dim) -> f64 {
    cost.as_constant().map_or(0.0, |cost| cost as f64)
}

/// Has all buffers of kernels live as long as these run.
fn live_as_one(instances: &[Instance], arena: &mut Arena) {
    let steps = || instances.iter().map(|instance| instance.step);
    let (begin, end) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
    for buffer in instances.iter().flat_map(Instance::arena_buffers).collect::<BTreeSet<usize>>() {
        let (first, last) = arena.lifetimes[buffer];
        arena.lifetimes[buffer] = (first.min(begin), last.max(end));
    }
}

/// Consecutive kernels, and how each is divided.
struct Team {
    kernels: Range<usize>,
    /// Which of them pack something for others before threads begin.
    ahead: Vec<usize>,
    /// The others.
    members: Vec<Member>,
    /// What they cost: [`crate::schedule::cost::Cost::total`].
    work: Dim,
}

impl Team {
    fn begin(position: usize, instance: &Instance) -> Team {
        let division = instance.form.divisions.first().cloned();
        let members = vec![Member::of(instance, division)];
        let work = instance.form.cost.clone();
        Team { kernels: position..position + 1, ahead: Vec::new(), members, work }
    }

    fn has_room(&self) -> bool {
        let enough = self.work.as_constant().is_some_and(|work| work >= ENOUGH * LEAST_WORK);
        self.members.len() < MOST && self.ahead.len() < MOST && !enough
    }

    /// Takes in the kernel behind the last one, if one of its loops allows it; a kernel without such a loop, if it has nothing to do with
    /// the others. What only packs for kernels behind it is done ahead, so that these may join.
    fn join(&mut self, instance: &Instance, target: &Target) -> bool {
        if packs_little(&instance.form) {
            let undivided = Member::of(instance, None);
            if self.members.iter().all(|other| undivided.goes_with(other)) {
                self.ahead.push(self.kernels.len());
                self.kernels.end += 1;
                return true;
            }
        }

        let divisions = &instance.form.divisions;
        let best = divisions.first().map_or(0, |division| division.pieces);
        let enough = best.min(enough_pieces(target));
        let good = divisions.iter().filter(|division| division.pieces >= enough);
        let rows = self.members.last().and_then(|member| member.rows.clone());
        let behind = |division| rows.as_ref().and_then(|rows| at_rows(division, rows));
        let mut choices: Vec<Option<Division>> = good
            .flat_map(|division| [behind(division), Some(division.clone())])
            .filter(Option::is_some)
            .collect();
        if choices.is_empty() {
            choices.push(None);
        }

        let mut members = choices.into_iter().map(|division| Member::of(instance, division));
        let is_fine = |member: &Member| {
            let all = self.members.iter().chain([member]);
            member.rows.as_ref().is_none_or(|rows| are_fine(all, rows, enough_pieces(target)))
        };
        let goes =
            |member: &Member| self.members.iter().all(|other| member.goes_with(other)) && is_fine(member);
        let Some(member) = members.find(goes) else { return false };
        self.members.push(member);
        self.kernels.end += 1;
        self.work = &self.work + &instance.form.cost;
        true
    }
}

/// Whether a kernel does nothing but copy, and so little that it is one thread's.
fn packs_little(form: &Form) -> bool {
    let mut copies = form.cost.as_constant().is_some_and(|cost| cost < LEAST_WORK);
    form.scheduled.kernel.visit(&mut |item| match item {
        Item::Let(_, expression) => {
            copies &= matches!(expression, Expression::Load(..) | Expression::Constant(_))
        }
        Item::Store(buffer, ..) => copies &= matches!(buffer, Buffer::Arena(_)),
        Item::Loop(inner) => copies &= inner.accumulators.is_empty(),
    });
    copies
}

/// What a call of these kernels costs in a step, if threads share it or the loop around it.
pub(crate) fn shared_cost(call: &[Instance], repeats: &[Repeat], fixed: &Bindings) -> Dim {
    let shared = call.iter().filter(|kernel| kernel.shared.is_some());
    shared.fold(Dim::default(), |sum, kernel| &sum + &(&kernel.form.cost * &turns(kernel, repeats, fixed)))
}
