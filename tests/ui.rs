//! The words of every mistake that `network!` finds while rustc runs. `TRYBUILD=overwrite cargo test --test ui` writes them anew.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
