//! Code that nobody runs any more leaves no mapping behind: a thousand programs, and sizes without end.
#![cfg(target_os = "linux")]

use downhill::Specialize;
use downhill::prelude::*;
use std::sync::Mutex;

network! {
    /// Small, so that a thousand compile soon.
    pub Tiny() {
        input  x: [batch, 2];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

/// Held by the test whose mappings are counted.
static ALONE: Mutex<()> = Mutex::new(());

/// Executable mappings of this process, and bytes of address space.
fn mappings() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let executable =
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|flags| flags.contains('x')));
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("pages");
    (executable.count(), pages * 4096)
}

#[test]
fn a_thousand_programs_leave_nothing_behind() {
    let _alone = ALONE.lock();
    let cycle = |seed| {
        let mut net = Tiny::new().seed(seed).optimizer(sgd(0.1)).build().expect("a network");
        assert!(net.step(&[0.5, -0.5], &[1.0]).expect("a step").is_finite());
        assert!(net.gradients(&[0.5, -0.5], &[1.0]).is_ok() || seed > 0);
    };
    cycle(0);
    let (executable, bytes) = mappings();
    for seed in 1..=1000 {
        cycle(seed);
    }
    let (executable_after, bytes_after) = mappings();
    assert_eq!(executable, executable_after);
    assert!(
        bytes_after < bytes + (48 << 20),
        "{bytes} → {bytes_after}: less than one program's address space may be left"
    );
}

#[test]
fn sizes_without_end_keep_the_code_of_a_few() {
    let _alone = ALONE.lock();
    let (before, _) = mappings();
    let mut net = Tiny::new().optimizer(sgd(0.1)).build().expect("a network");
    let (built, _) = mappings();
    let mut made = 0;
    for batch in 1..=Specialize::MOST + 6 {
        // Each that makes way doubles the steps that it takes.
        let steps = Specialize::CALLS << batch.saturating_sub(Specialize::MOST + 1);
        let (x, y) = (vec![0.5; 2 * batch], vec![1.0; batch]);
        for _ in 0..=steps {
            net.step(&x, &y).expect("a step");
        }
        let variants = net.report().variants;
        made += usize::from(variants.iter().any(|variant| variant.sizes[0].1 == batch as i64));
        assert!(variants.len() <= Specialize::MOST);
        let (now, _) = mappings();
        assert!(now <= built + Specialize::MOST, "{now} mappings, {built} of them of the build");
    }
    assert_eq!(made, Specialize::MOST + 6);
    drop(net);
    assert_eq!(mappings().0, before);
}
