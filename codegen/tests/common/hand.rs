//! How the ranges of shared kernels are handed out, in orders that no pool may take for granted, and where the arena's buffers lie.

use super::memory::Memory;
use downhill_codegen::abi::Share;
use downhill_codegen::entry::description::Entry;
use downhill_graph::dim::Bindings;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Barrier;

/// In which order ranges run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Each range runs all kernels, the first range first.
    Forwards,
    /// The last range first.
    Backwards,
    /// As many ranges as chance says, each as far ahead of the others: numbers that look random, from this one on.
    Mixed(u64),
    /// Each range on a thread of its own, all at once.
    AtOnce,
}

/// Where the arena's buffers lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// Each on pages of its own, so that an element beside one is seen.
    Apart,
    /// As the plan lays them out, so that one that is used again too early is seen.
    Planned,
}

/// The orders and layouts that code for several threads is run in: one after the other, all must give the same bits.
pub(crate) const HANDS: [(Order, Layout); 5] = [
    (Order::Backwards, Layout::Apart),
    (Order::Forwards, Layout::Planned),
    (Order::Mixed(1), Layout::Planned),
    (Order::Mixed(2), Layout::Planned),
    (Order::AtOnce, Layout::Planned),
];

/// What [`divide`] is given.
pub(crate) struct Hand {
    order: Order,
    /// For how many threads code was made.
    threads: i64,
    dice: Cell<u64>,
}

thread_local! {
    static DIVIDED: Cell<usize> = const { Cell::new(0) };
}

/// How many kernels have been divided on this thread.
pub(crate) fn divided() -> usize {
    DIVIDED.with(Cell::get)
}

impl Hand {
    pub(crate) fn new(order: Order, threads: usize) -> Hand {
        let Order::Mixed(seed) = order else {
            return Hand { order, threads: threads as i64, dice: 0.into() };
        };
        Hand { order, threads: threads as i64, dice: seed.into() }
    }

    fn below(&self, count: i64) -> i64 {
        let next = self.dice.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.dice.set(next);
        ((next >> 33) % count as u64) as i64
    }

    /// How many ranges, and whose turn it is again and again: a range runs one kernel in each of its turns.
    fn turns(&self, kernels: usize) -> (i64, Vec<i64>) {
        let in_turn = |ranges: &mut dyn Iterator<Item = i64>| {
            ranges.flat_map(|range| std::iter::repeat_n(range, kernels)).collect()
        };
        match self.order {
            Order::Forwards | Order::AtOnce => (self.threads, in_turn(&mut (0..self.threads))),
            Order::Backwards => (self.threads, in_turn(&mut (0..self.threads).rev())),
            Order::Mixed(_) => {
                let ranges = 1 + self.below(self.threads);
                let mut left: Vec<(i64, usize)> = (0..ranges).map(|range| (range, kernels)).collect();
                let mut turns = Vec::with_capacity(kernels * ranges as usize);
                while !left.is_empty() {
                    let at = self.below(left.len() as i64) as usize;
                    // Now and then one runs far ahead.
                    for _ in 0..1 + self.below(3) * self.below(kernels as i64) {
                        if left[at].1 > 0 {
                            left[at].1 -= 1;
                            turns.push(left[at].0);
                        }
                    }
                    left.retain(|(_, kernels)| *kernels > 0);
                }
                (ranges, turns)
            }
        }
    }
}

/// [`downhill_codegen::abi::Divide`], as if every kernel were worth all threads; its first argument is a [`Hand`].
pub(crate) unsafe extern "C" fn divide(hand: *const c_void, shares: *const Share, count: i64, _: i64) {
    // SAFETY: native code hands on what its context holds, and its own shares.
    let (hand, shares) =
        unsafe { (&*hand.cast::<Hand>(), std::slice::from_raw_parts(shares, count as usize)) };
    DIVIDED.with(|divided| divided.set(divided.get() + shares.len()));
    let (ranges, turns) = hand.turns(shares.len());
    if matches!(hand.order, Order::AtOnce) {
        return at_once(shares, ranges);
    }
    let mut next = vec![0; ranges as usize];
    for range in turns {
        // SAFETY: native code's own shares.
        unsafe { run(&shares[next[range as usize]], range, ranges) };
        next[range as usize] += 1;
    }
    assert!(next.iter().all(|&done| done == shares.len()), "a range that nobody ran");
}

/// # Safety
/// The task may be called with its arguments.
unsafe fn run(share: &Share, range: i64, ranges: i64) {
    let (begin, end) = share.range(range, ranges);
    if begin < end {
        // SAFETY: the caller's promise.
        unsafe { (share.task)(share.arguments, begin, end, range) };
    }
}

/// Shares that go to other threads, whose caller waits for these.
struct Sent<'a>(&'a [Share]);

// SAFETY: what shares point to may be used by all threads at once; that it is so is what is tested.
unsafe impl Sync for Sent<'_> {}

fn at_once(shares: &[Share], ranges: i64) {
    let (sent, ready) = (Sent(shares), Barrier::new(ranges as usize));
    std::thread::scope(|scope| {
        for range in 0..ranges {
            let (sent, ready) = (&sent, &ready);
            scope.spawn(move || {
                ready.wait();
                // SAFETY: native code's own shares.
                sent.0.iter().for_each(|share| unsafe { run(share, range, ranges) });
            });
        }
    });
}

/// The memory of intermediate values, which nothing was written to yet: NaN.
pub(crate) struct Arena(Vec<Memory>, pub(crate) Vec<i64>);

impl Arena {
    /// The addresses of the buffers stand for their offsets from nowhere.
    pub(crate) fn new(entry: &Entry, sizes: &Bindings, layout: Layout) -> Arena {
        let nan = |bytes: usize| Memory::new(&vec![f32::NAN.to_bits(); bytes / 4]);
        match layout {
            Layout::Apart => {
                let known =
                    entry.arena.sizes.iter().map(|bytes| bytes.evaluate(sizes).expect("known") as usize);
                let mut memory: Vec<Memory> = known.map(nan).collect();
                let addresses = memory.iter_mut().map(|memory| memory.pointer() as i64).collect();
                Arena(memory, addresses)
            }
            Layout::Planned => {
                let planned = entry.arena.layout(sizes).expect("sizes are known");
                let mut memory = nan(planned.bytes);
                let start = memory.pointer() as i64;
                let addresses = planned.offsets.iter().map(|offset| start + offset).collect();
                Arena(vec![memory], addresses)
            }
        }
    }

    /// Panics where native code wrote beside it.
    pub(crate) fn assert_whole(&self) {
        self.0.iter().for_each(|memory| _ = memory.words());
    }
}
