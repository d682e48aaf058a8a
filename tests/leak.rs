//! A thousand compile-and-drop cycles leave no mapping behind.
#![cfg(target_os = "linux")]

use downhill::prelude::*;

network! {
    /// Small, so that a thousand compile soon.
    pub Tiny() {
        input  x: [batch, 2];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

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
