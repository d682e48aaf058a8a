//! The arena is hardly larger than what lives in it at the worst moment.

use super::{compile, nets};
use downhill_codegen::plan::arena::ALIGNMENT;
use downhill_codegen::plan::arena::Arena;
use downhill_graph::dim::{Bindings, Dim};
use downhill_nn::optimizers::*;

/// At the worst moment: the bytes of the values that live then, and as many with what alignment may add to each.
fn worst(arena: &Arena, sizes: &Bindings) -> (usize, usize) {
    let bytes: Vec<usize> =
        arena.sizes.iter().map(|size| size.evaluate(sizes).expect("known") as usize).collect();
    let moments = arena.lifetimes.iter().map(|lifetime| lifetime.1 + 1).max().unwrap_or(0);
    let live = |moment: usize, more: usize| -> usize {
        let living = arena
            .lifetimes
            .iter()
            .zip(&bytes)
            .filter(|((first, last), _)| (*first..=*last).contains(&moment));
        living.map(|(_, bytes)| bytes + more).sum()
    };
    let most = |more: usize| (0..moments).map(|moment| live(moment, more)).max().unwrap_or(0);
    (most(0), most(ALIGNMENT))
}

#[test]
fn the_arena_of_a_step_is_its_worst_moment() {
    let mut nets = nets::all();
    nets.push(nets::classes("wide", 256, 300, adam(0.01)));
    for net in nets {
        let (entry, _) = compile(&net.step());
        for batch in [1, 7, 64, 1000] {
            let sizes = Bindings::from([("batch".into(), batch), ("time".into(), 5)]);
            let layout = entry.arena.layout(&sizes).expect("sizes are known");
            let (most, aligned) = worst(&entry.arena, &sizes);
            let allowed = aligned + most / 20;
            assert!(
                layout.bytes <= allowed,
                "{} at a batch of {batch}: {} bytes, {most} live at the worst moment",
                net.name,
                layout.bytes
            );
            assert!(layout.bytes >= most, "{}: living values overlap", net.name);
        }
    }
}

/// Attention in blocks of queries: a step over twice the time takes hardly more than twice the memory.
#[test]
fn memory_of_attention_in_blocks_grows_with_time() {
    let bytes = |block: Option<Dim>, time: i64| {
        let net = nets::attention_over_time(block);
        let (entry, _) = compile(&net.step());
        let sizes = Bindings::from([("batch".into(), 2), ("time".into(), time)]);
        entry.arena.layout(&sizes).expect("sizes are known").bytes as f64
    };
    let block = || Some(Dim::from(64));
    assert!(bytes(block(), 4096) < 2.05 * bytes(block(), 2048));
    assert!(bytes(block(), 2048) < 0.1 * bytes(None, 2048));
    assert!(bytes(None, 4096) > 3.5 * bytes(None, 2048), "all at once");
}

/// The gradient of a large weight goes into its update where it is made: no buffer of a step depends on what is trained alone.
#[test]
fn gradients_of_weights_are_not_stored() {
    let (inputs, hidden) = (300, 200);
    let optimizers: [(&str, Optimizer); 20] = [
        ("sgd", sgd(0.1).into()),
        ("momentum", sgd(0.1).momentum(0.9).into()),
        ("adam", adam(0.01).into()),
        ("adamw", adamw(0.01).into()),
        ("decay", sgd(0.1).weight_decay(0.01).into()),
        ("amsgrad", adam(0.01).amsgrad(true).into()),
        ("rmsprop", rmsprop(0.01).into()),
        ("rmsprop, centered", rmsprop(0.01).centered(true).momentum(0.9).into()),
        ("adagrad", adagrad(0.1).lr_decay(0.1).into()),
        ("adadelta", adadelta(1.0).into()),
        ("adamax", adamax(0.01).into()),
        ("nadam", nadam(0.01).into()),
        ("radam", radam(0.01).into()),
        ("rprop", rprop(0.01).into()),
        ("lion", lion(0.01).into()),
        ("schedule-free", schedule_free(0.01).into()),
        ("clipped by value", adam(0.01).clip_value(0.01).into()),
        ("groups", adamw(0.01).rate("h.*", 0.5).spare_vectors().into()),
        ("averaged", adam(0.01).average(0.9).into()),
        ("averaged alike", sgd(0.1).maximize().average_all().into()),
    ];
    for (name, optimizer) in optimizers {
        let net = nets::classes(name, inputs as usize, hidden as usize, optimizer);
        let (entry, _) = compile(&net.step());
        let one_row = Bindings::from([("batch".into(), 1)]);
        let largest =
            entry.arena.sizes.iter().map(|size| size.evaluate(&one_row).expect("known")).max().unwrap_or(0);
        assert!(largest < 4 * inputs * hidden / 2, "{name}: a buffer of {largest} bytes");
    }
}
