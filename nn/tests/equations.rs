//! Equations of axes: the shapes that they give, and what cannot be read.

mod declared;

use declared::{input, mistake, shape, typed};
use downhill_graph::types::ElementType::I32;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{Argument, call};
use downhill_nn::value::einsum;

#[test]
fn equations_of_axes_are_read_and_refused() {
    let b = Builder::new(Mode::Train);
    let (x, w) = (input(&b, "x", &["batch", "time", "4"]), input(&b, "w", &["4", "5"]));
    let sum = |equation, operands: &[&Value]| einsum(&b, equation, operands);
    assert_eq!(shape(&sum("btn, nm -> mbt", &[&x, &w])), "[5, batch, time]");
    assert_eq!(shape(&sum("...n,nm->...m", &[&x, &w])), "[batch, time, 5]");
    assert_eq!(shape(&sum("bti,bsi->bts", &[&x, &x])), "[batch, time, time]");

    let refused = |equation, why: &str| {
        let error = mistake(&einsum(&b, equation, &[&x, &w]));
        let help = "as in `ij,jk->ik`: a letter for each axis";
        assert_eq!(error, format!("`{equation}` is no equation of axes: {why}\n   = help: {help}"));
    };
    refused("bt?,nm->b", "`?` is no letter");
    refused("btn,nm->bb", "`b` stands twice in the result");
    refused("btn,nm->bx", "`x` is an axis of no operand");
    refused("btn,nm->b...", "`...` stands in the result alone");
    refused("b...t...,nm", "`.` is no letter");

    assert_eq!(
        mistake(&sum("btn->b", &[&x, &w])),
        "`einsum` of 2 operands by `btn->b`, which names 1\n   = help: a comma stands between operands"
    );
    assert_eq!(
        mistake(&sum("bn,nm->bm", &[&x, &w])),
        "`bn,nm->bm` has 2 letters for `x`, which is [batch, time, 4]\n   \
         = help: a letter for each axis, or `...` for those without one"
    );
    assert_eq!(
        mistake(&sum("btn,mn->btm", &[&x, &w])),
        "`n` of `btn,mn->btm` is 4 in `x` but 5 in `w`\n   = help: axes of one letter are equal, or the number 1"
    );
    let whole = typed(&b, "whole", I32, &["4"]);
    assert!(
        mistake(&sum("i,i", &[&whole, &whole])).starts_with("`einsum` needs floats but `whole` is i32[4]")
    );
    let called = |equation: Argument| call(&b, "einsum", vec![equation, Argument::from(&w)], Vec::new());
    assert_eq!(shape(&called(Argument::from("nm->m"))), "[5]");
    assert!(
        mistake(&called(Argument::from("n?"))).starts_with("`n?` is no equation of axes: `?` is no letter")
    );
    assert_eq!(
        mistake(&called(Argument::Number(3.0))),
        "`equation` of `einsum` must be an equation of axes in quotes, such as `\"ij,jk->ik\"`, but is the number `3`\n   \
         = help: it is called as `einsum(equation, x, …)`"
    );
}
