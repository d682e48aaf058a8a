//! A step, an epoch and inference of a prepared size allocate nothing.

use downhill::Specialize;
use downhill::prelude::*;
use downhill::view::DataMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every request is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

network! {
    /// An input, a mask, class indices.
    pub Masked(width: usize) {
        input  x: [batch, 8];
        input  keep: bool[batch, 8];
        target label: i32[batch];
        let h = gelu(linear(x * select(keep, 1.0, 0.0), width));
        output logits = linear(h, 4);
        loss cross_entropy(logits, label);
    }
}

#[test]
fn prepared_sizes_allocate_nothing() {
    allocate_nothing(16, 1);
}

/// Wide enough that kernels are divided.
#[test]
fn nor_do_threads() {
    allocate_nothing(4096, 2);
}

fn allocate_nothing(width: usize, threads: usize) {
    let network = Masked::new(width).seed(1).optimizer(adamw(0.01)).batch_sizes([16]).threads(threads);
    let mut net = network.build().expect("a network");
    let rows = 40;
    let x = Tensor::new([rows, 8], (0..rows * 8).map(|i| (i % 13) as f32 / 13.0).collect()).expect("x");
    let keep = Tensor::new([rows, 8], (0..rows * 8).map(|i| i % 5 != 0).collect()).expect("keep");
    let label = Tensor::from((0..rows as i32).map(|i| i % 4).collect::<Vec<_>>());
    let data =
        Dataset::new([("x", x.clone()), ("keep", keep.clone()), ("label", label.clone())]).expect("data");
    // The same in types that are converted.
    let wide = Tensor::new([rows, 8], x.to_f64_vec()).expect("x");
    let places: Vec<usize> = (0..rows).map(|row| row % 4).collect();
    let rates = [0.01, 0.02, 0.03];
    let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
    let mut report = EpochReport::default();
    let mut logits = vec![0.0_f32; rows * 4];
    let mut slope = vec![0.0_f32; rows * 8];
    let mut turn = |net: &mut Model, seed: u64| {
        net.step((&x, &keep), &label).expect("a step");
        net.step((&wide, &keep), &places).expect("a step");
        net.step_with(&[("label", &label), ("keep", &keep), ("x", &x)]).expect("a step");
        net.epoch_into(&data, Epoch { batch: 16, seed }, options, &mut report).expect("an epoch");
        let in_parts = EpochOptions { accumulate: 3, ..EpochOptions::default() };
        net.epoch_into(&data, Epoch { batch: 16, seed }, in_parts, &mut report).expect("an epoch");
        net.accumulate((&x, &keep), &label).expect("a part");
        net.apply_gradients().expect("a step");
        net.forward_into((&x, &keep), &mut logits).expect("logits");
        let gradients = [&mut slope as &mut dyn DataMut];
        net.gradients_into(None, ["x"], (&x, &keep), &label, gradients).expect("gradients");
        net.set_learning_rate(0.005).expect("a rate");
    };
    turn(&mut net, 0);
    for seed in 1..5 {
        assert_eq!(allocations(|| turn(&mut net, seed)), 0);
    }
    assert!(allocations(|| drop(net.forward((&x, &keep)))) > 0, "the counter counts");
}

/// Rows that lie scattered are packed, in memory that is kept.
#[test]
fn nor_do_epochs_of_scattered_rows() {
    let mut net = Masked::new(4).seed(1).optimizer(adamw(0.01)).batch_sizes([16]).build().expect("a network");
    let rows = 4096;
    let x = Tensor::rand([rows, 8], 1).expect("x");
    let keep = Tensor::full([rows, 8], true).expect("keep");
    let label = Tensor::from((0..rows as u32).map(|row| row % 4).collect::<Vec<_>>());
    let data = Dataset::new([("x", x), ("keep", keep), ("label", label)]).expect("data");
    let mut report = EpochReport::default();
    let mut epoch = |seed| {
        let how = (Epoch { batch: 16, seed }, EpochOptions::default());
        net.epoch_into(&data, how.0, how.1, &mut report).expect("an epoch");
    };
    epoch(0);
    assert_eq!(allocations(|| epoch(1)), 0);
}

/// Calls are counted, code is made, and sizes take turns: only the call that has code made allocates.
#[test]
fn sizes_that_repeat_allocate_once() {
    let mut net = Masked::new(16).seed(1).optimizer(adamw(0.01)).build().expect("a network");
    let columns = |rows: usize| {
        let x = Tensor::new([rows, 8], vec![0.5_f32; rows * 8]).expect("x");
        (x, vec![true; rows * 8], vec![1; rows])
    };
    let sizes = [6, 7].map(columns);
    let step = |net: &mut Model, at: usize| {
        let (x, keep, label) = &sizes[at];
        allocations(|| _ = net.step((x, keep), label).expect("a step"))
    };
    for at in [0, 1] {
        step(&mut net, at);
        for _ in 1..Specialize::CALLS {
            assert_eq!(step(&mut net, at), 0, "before");
        }
        assert!(step(&mut net, at) > 0, "its code is made");
        for _ in 0..5 {
            assert_eq!(step(&mut net, at), 0, "behind");
        }
    }
    for turn in 0..10 {
        assert_eq!(step(&mut net, turn % 2), 0, "in turns");
    }
    assert_eq!(net.report().variants.len(), 2);
}
