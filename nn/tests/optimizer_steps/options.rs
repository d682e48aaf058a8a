//! Options that make no sense are refused in words that say what may be written.

use downhill_nn::optimizers::*;

fn refused(optimizer: impl Into<Optimizer>) -> String {
    optimizer.into().check().expect_err("it is taken").message
}

#[test]
fn options_of_rules() {
    assert_eq!(refused(rmsprop(-1.0)), "a learning rate of -1");
    assert_eq!(refused(rmsprop(0.1).alpha(1.0)), "an alpha of 1");
    assert_eq!(refused(rmsprop(0.1).momentum(-0.1)), "a momentum of -0.1");
    assert_eq!(refused(rmsprop(0.1).eps(0.0)), "an eps of 0");
    assert_eq!(refused(adagrad(0.1).lr_decay(-1.0)), "a decay of the learning rate of -1");
    assert_eq!(refused(adagrad(0.1).initial_accumulator(-1.0)), "an initial accumulator of -1");
    assert_eq!(refused(adagrad(0.1).eps(1e-50)), "an eps of 1e-50, which is 0 in f32");
    assert_eq!(refused(adadelta(1.0).rho(1.5)), "a rho of 1.5");
    assert_eq!(refused(adamax(0.1).betas(1.0, 0.9)), "a first beta of 1");
    assert_eq!(refused(nadam(0.1).momentum_decay(f64::NAN)), "a decay of the momentum of NaN");
    assert_eq!(refused(radam(0.1).betas(0.9, 1.0)), "a second beta of 1");
    assert_eq!(refused(lion(0.1).weight_decay(f64::INFINITY)), "a weight decay of inf");
    assert_eq!(refused(lamb(0.1).eps(-1.0)), "an eps of -1");
    assert_eq!(refused(schedule_free(0.1).betas(-0.5, 0.9)), "a first beta of -0.5");
}

#[test]
fn options_of_rprop_and_muon() {
    assert_eq!(refused(rprop(0.1).etas(1.0, 1.2)), "etas of 1 and 1.2");
    assert_eq!(refused(rprop(0.1).etas(0.0, 1.2)), "a first eta of 0");
    assert_eq!(refused(rprop(0.1).step_sizes(0.0, 1.0)), "a least step size of 0");
    assert_eq!(refused(rprop(0.1).step_sizes(2.0, 1.0)), "a least step size of 2 above the greatest, 1");
    assert_eq!(refused(muon(0.1).momentum(1.0)), "a momentum of 1");
    assert_eq!(refused(muon(0.1).iterations(100)), "100 iterations of Newton and Schulz");
    assert_eq!(refused(muon(0.1).coefficients(1.0, f64::INFINITY, 0.0)), "a coefficient `b` of inf");
    assert_eq!(refused(muon(0.1).others(adamw(0.1).eps(0.0))), "an eps of 0");
    assert_eq!(refused(muon(0.0).others(adamw(0.1))), "a learning rate of 0.1 beside one of 0");
}

#[test]
fn options_of_what_surrounds_them() {
    assert_eq!(refused(sgd(0.1).clip_value(0.0)), "a limit of gradients of 0");
    assert_eq!(refused(sgd(0.1).clip_norm(f64::INFINITY)), "a limit of the gradients' norm of inf");
    assert_eq!(refused(sgd(0.1).clip_each_norm(1.0).norm_type(0.5)), "a norm with a power of 0.5");
    assert_eq!(refused(sgd(0.1).sharpness_aware(-0.1)), "a radius of -0.1");
    assert_eq!(refused(sgd(0.1).average(1.0)), "a decay of the average of 1");
    assert_eq!(refused(sgd(0.1).rate("w", -1.0)), "a factor of the learning rate of -1");
    assert_eq!(refused(sgd(0.1).decay("w", -1.0)), "a weight decay of -1");
    assert_eq!(refused(sgd(0.1).rule("w", adam(0.1).betas(2.0, 0.9))), "a first beta of 2");
    assert_eq!(refused(sgd(0.0).rule("w", adam(0.1))), "a learning rate of 0.1 beside one of 0");
    let inner = adam(0.1).betas(0.9, 1.0);
    assert_eq!(refused(inner.clip_value(1.0).clip_norm(1.0).maximize().average(0.9)), "a second beta of 1");
}
