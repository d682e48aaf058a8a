//! Random numbers as values of a network: moments, freshness, what inference sees.

use downhill::prelude::*;

network! {
    /// What is drawn, as it is.
    Drawn(width: usize) {
        input x: [batch, width];
        output n = normal_like(x, inference: true);
        output shifted = normal([batch, width], mean: 3.0, deviation: 0.5, inference: true);
        output u = uniform_like(x, inference: true);
        output v = uniform([batch, width], low: -2.0, high: 1.0, inference: true);
        output b = bernoulli(sigmoid(x), inference: true);
    }

    Means() {
        input x: [batch, 2];
        output n = normal_like(x, mean: 0.25);
        output u = uniform_like(x, low: -1.0, high: 2.0);
        output b = bernoulli(sigmoid(x));
    }

    /// The loss is the noise itself.
    Noise() {
        input x: [batch, 1];
        let w = linear(x, 1);
        output w;
        loss   mean(normal_like(w)) + 0.0 * mean(w);
    }

    Vae(latent: usize) {
        input x: [batch, 64];
        let h = relu(linear(x, 128));
        let mean = linear(h, latent);
        let log_variance = linear(h, latent);
        let z = mean + exp(0.5 * log_variance) * normal_like(mean);
        let picture = sigmoid(linear(relu(linear(z, 128)), 64));
        output picture, code = mean;
        loss   binary_cross_entropy(picture, x, reduction: sum)
                   + 0.5 * sum(exp(log_variance) + mean * mean - 1.0 - log_variance);
    }
}

fn moments(tensor: &Tensor) -> (f64, f64, f64, f64) {
    let numbers = tensor.to_f64_vec();
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let (low, high) = numbers.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    (mean, variance.sqrt(), low, high)
}

#[test]
fn moments_are_those_that_were_asked_for() {
    let net = Drawn::new(1000).seed(3).build().expect("a network");
    let x = Tensor::full([300, 1000], -1.0_f32).expect("x");
    let [n, shifted, u, v, b] = net.forward_all(&x).expect("outputs").into_array().expect("five");
    // 300,000 numbers: a mean is off by 1/√300,000 = 0.0018 deviations, four times that is not seen by chance.
    let close = |found: f64, expected: f64, width: f64| (found - expected).abs() < 0.008 * width;
    let (mean, deviation, low, high) = moments(&n);
    assert!(
        close(mean, 0.0, 1.0) && close(deviation, 1.0, 1.0) && low < -4.0 && high > 4.0,
        "{mean} {deviation}"
    );
    let numbers = n.to_f64_vec();
    let within = numbers.iter().filter(|x| x.abs() < 1.0).count() as f64 / 3e5;
    assert!(close(within, 0.682_689_5, 1.0), "{within}");
    let (mean, deviation, ..) = moments(&shifted);
    assert!(close(mean, 3.0, 0.5) && close(deviation, 0.5, 0.5), "{mean} {deviation}");
    let (mean, deviation, low, high) = moments(&u);
    assert!(close(mean, 0.5, 0.3) && close(deviation, 12.0_f64.sqrt().recip(), 0.3), "{mean} {deviation}");
    assert!((0.0..1e-4).contains(&low) && (0.9999..1.0).contains(&high), "{low} {high}");
    let (mean, _, low, high) = moments(&v);
    assert!(close(mean, -0.5, 0.9) && low >= -2.0 && high < 1.0, "{mean} {low} {high}");
    let (mean, _, low, high) = moments(&b);
    assert!(close(mean, 1.0 / (1.0 + 1.0_f64.exp()), 0.5) && (low, high) == (0.0, 1.0), "{mean}");
    // Calls of one function draw numbers of their own.
    assert_ne!(u.as_f32().expect("f32")[..8], n.as_f32().expect("f32")[..8]);
}

#[test]
fn numbers_are_those_of_a_seed_and_a_step() {
    let mut net = Drawn::new(4).seed(3).build().expect("a network");
    let x = [[0.0_f32; 4]; 5];
    let drawn = |net: &Model| net.forward_all(&x).expect("outputs");
    let first = drawn(&net);
    assert_eq!(drawn(&net), first);
    net.set_random_step(Some(1));
    let second = drawn(&net);
    assert_ne!(second, first);
    net.set_random_step(Some(0));
    assert_eq!(drawn(&net), first);
    let other = Drawn::new(4).seed(4).build().expect("a network");
    assert_ne!(drawn(&other), first);
    for target in downhill::host::available() {
        for threads in [1, 3] {
            let net = Drawn::new(4).seed(3).target(target).threads(threads).build().expect("a network");
            assert_eq!(drawn(&net), first, "{target:?}, {threads} threads");
        }
    }
}

#[test]
fn inference_sees_means_and_training_fresh_numbers() {
    let net = Means::new().build().expect("a network");
    let [n, u, b] = net.forward_all(&[[0.0, 4.0]]).expect("outputs").into_array().expect("three");
    assert_eq!((n.to_f64_vec(), u.to_f64_vec()), (vec![0.25; 2], vec![0.5; 2]));
    assert_eq!(b.to_f64_vec()[0], 0.5);
    let mut net = Noise::new().seed(1).optimizer(sgd(0.0)).build().expect("a network");
    let x = [[1.0_f32]; 1];
    let losses: Vec<f32> = (0..50).map(|_| net.step(&x, ()).expect("a step")).collect();
    let mut distinct: Vec<u32> = losses.iter().map(|loss| loss.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 50);
    assert_eq!(net.loss(&x, ()).expect("a loss"), 0.0);
}

#[test]
fn an_autoencoder_with_noise_in_it_learns() {
    let mut net = Vae::new(2).seed(1).optimizer(adam(3e-3)).build().expect("a network");
    // Two kinds of pictures: the upper half or the lower half is lit.
    let rows = (0..32).flat_map(|row| (0..64).map(move |pixel| f32::from((pixel < 32) == (row % 2 == 0))));
    let x = Tensor::new([32, 64], rows.collect::<Vec<f32>>()).expect("x");
    let first = net.loss(&x, ()).expect("a loss");
    for _ in 0..300 {
        net.step(&x, ()).expect("a step");
    }
    let last = net.loss(&x, ()).expect("a loss");
    assert!(last < 0.2 * first, "{first} {last}");
    let [picture, code] = net.forward_all(&x).expect("outputs").into_array().expect("two");
    assert_eq!((picture.shape(), code.shape()), (&[32, 64][..], &[32, 2][..]));
    let (lit, dark) = (picture.to_f64_vec()[0], picture.to_f64_vec()[63]);
    assert!(lit > 0.9 && dark < 0.1, "{lit} {dark}");
}
