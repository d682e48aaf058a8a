//! What convolutions, pools and resampling promise beyond PyTorch's numbers: gradients of first and second order, shapes, what they refuse.

mod declared;
mod differences;

use declared::{input, mistake, shape};
use differences::{Case, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode};
use downhill_nn::composite::*;
use downhill_nn::value::*;

const CASES: &[Case] = &[
    Case {
        name: "conv",
        inputs: &[&[2, 2, 4, 3]],
        layer: |x| conv(&x[0], 3, &sizes(&[2]), options(1, 0, 1, 1)),
    },
    Case {
        name: "conv, apart",
        inputs: &[&[1, 2, 8]],
        layer: |x| conv(&x[0], 2, &sizes(&[3]), options(2, 1, 2, 1)),
    },
    Case {
        name: "conv, groups",
        inputs: &[&[2, 4, 5, 4]],
        layer: |x| conv(&x[0], 6, &sizes(&[2, 3]), options(2, 1, 1, 2)),
    },
    Case {
        name: "conv, of each channel",
        inputs: &[&[2, 3, 4, 3]],
        layer: |x| conv(&x[0], 3, &sizes(&[3]), options(1, 1, 1, 3)),
    },
    Case {
        name: "conv, 3 axes",
        inputs: &[&[1, 2, 3, 3, 4]],
        layer: |x| conv(&x[0], 2, &sizes(&[2]), options(1, 0, 1, 1)),
    },
    Case {
        name: "max_pool",
        inputs: &[&[2, 2, 5, 6]],
        layer: |x| square(max_pool(&x[0], &sizes(&[3]), pooling(2, 1))),
    },
    Case {
        name: "average_pool",
        inputs: &[&[2, 2, 5, 6]],
        layer: |x| square(average_pool(&x[0], &sizes(&[3, 2]), pooling(2, 1), false)),
    },
    Case {
        name: "adaptive_average_pool",
        inputs: &[&[1, 2, 5, 4]],
        layer: |x| square(adaptive_average_pool(&x[0], &sizes(&[3, 2]))),
    },
    Case {
        name: "conv_transpose",
        inputs: &[&[2, 2, 3, 2]],
        layer: |x| conv_transpose(&x[0], 3, &sizes(&[3, 2]), transposed(2, 1, 1, 1)),
    },
    Case {
        name: "conv_transpose, groups",
        inputs: &[&[1, 4, 3]],
        layer: |x| conv_transpose(&x[0], 6, &sizes(&[3]), transposed(1, 1, 0, 2)),
    },
    Case {
        name: "upsample",
        inputs: &[&[1, 2, 2, 3]],
        layer: |x| square(upsample(&x[0], Resized::By(sizes(&[2])))),
    },
    Case {
        name: "upsample, to sizes",
        inputs: &[&[1, 2, 2, 3]],
        layer: |x| square(upsample(&x[0], Resized::To(sizes(&[3, 4])))),
    },
    Case {
        name: "upsample_linear",
        inputs: &[&[1, 2, 2, 3]],
        layer: |x| square(upsample_linear(&x[0], Resized::To(sizes(&[3, 5])), false)),
    },
    Case {
        name: "upsample_linear, aligned",
        inputs: &[&[1, 2, 2, 3]],
        layer: |x| square(upsample_linear(&x[0], Resized::By(sizes(&[2])), true)),
    },
    Case { name: "pixel_shuffle", inputs: &[&[1, 8, 2, 1]], layer: |x| square(pixel_shuffle(&x[0], 2)) },
    Case { name: "pixel_unshuffle", inputs: &[&[1, 2, 4, 2]], layer: |x| square(pixel_unshuffle(&x[0], 2)) },
    Case {
        name: "pad",
        inputs: &[&[1, 2, 3, 2]],
        layer: |x| square(pad(&x[0], &border(&[1, 0], &[2, 1]), 0.5)),
    },
    Case {
        name: "reflect_pad",
        inputs: &[&[1, 2, 3, 2]],
        layer: |x| square(reflect_pad(&x[0], &border(&[2, 0], &[1]))),
    },
    Case {
        name: "replicate_pad",
        inputs: &[&[1, 2, 3, 2]],
        layer: |x| square(replicate_pad(&x[0], &border(&[2, 0], &[3]))),
    },
];

fn sizes(numbers: &[i64]) -> Vec<Dim> {
    numbers.iter().copied().map(Dim::from).collect()
}

fn options(stride: i64, padding: i64, dilation: i64, groups: i64) -> Convolution {
    let [stride, padding, dilation] = [stride, padding, dilation].map(|number| sizes(&[number]));
    Convolution { stride, padding, dilation, groups: Dim::from(groups), ..Convolution::default() }
}

fn transposed(stride: i64, padding: i64, output_padding: i64, groups: i64) -> TransposedConvolution {
    let [stride, padding, output_padding] = [stride, padding, output_padding].map(|number| sizes(&[number]));
    let groups = Dim::from(groups);
    TransposedConvolution { stride, padding, output_padding, groups, ..TransposedConvolution::default() }
}

fn border(before: &[i64], after: &[i64]) -> Border {
    Border { before: sizes(before), after: sizes(after) }
}

fn pooling(stride: i64, padding: i64) -> Pooling {
    Pooling { stride: Some(sizes(&[stride])), padding: sizes(&[padding]), ..Pooling::default() }
}

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

#[test]
fn sizes_that_only_a_run_tells_are_kept() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "6", "height", "width"]);
    let same = |groups| conv(&x, 12, &sizes(&[3]), options(1, 1, 1, groups));
    for groups in [1, 2, 6] {
        assert_eq!(shape(&same(groups)), "[batch, 12, height, width]");
    }
    assert_eq!(
        shape(&max_pool(&x, &sizes(&[2]), Pooling::default())),
        "[batch, 6, (height - 2)/(2) + 1, (width - 2)/(2) + 1]"
    );
    assert_eq!(shape(&global_average_pool(&x)), "[batch, 6]");
    assert_eq!(shape(&adaptive_average_pool(&x, &sizes(&[2, 3]))), "[batch, 6, 2, 3]");
    let same = Convolution { same: true, ..options(1, 0, 3, 1) };
    assert_eq!(shape(&conv(&x, 12, &sizes(&[2, 5]), same)), "[batch, 12, height, width]");
    let twice = |groups| conv_transpose(&x, 12, &sizes(&[4]), transposed(2, 1, 0, groups));
    for groups in [1, 2, 6] {
        assert_eq!(shape(&twice(groups)), "[batch, 12, 2*height, 2*width]");
    }
    let double = || Resized::By(sizes(&[2, 3]));
    assert_eq!(shape(&upsample(&x, double())), "[batch, 6, 2*height, 3*width]");
    assert_eq!(shape(&upsample(&x, Resized::To(sizes(&[9])))), "[batch, 6, 9, 9]");
    assert_eq!(shape(&upsample_linear(&x, double(), false)), "[batch, 6, 2*height, 3*width]");
    let wide = input(&b, "wide", &["batch", "8", "height", "width"]);
    let shuffled = pixel_shuffle(&wide, 2);
    assert_eq!(shape(&shuffled), "[batch, 2, 2*height, 2*width]");
    assert_eq!(shape(&pixel_unshuffle(&shuffled, 2)), "[batch, 8, height, width]");
    for padded in [pad(&x, &border(&[1, 2], &[0]), 1.0), reflect_pad(&x, &border(&[1, 2], &[0]))] {
        assert_eq!(shape(&padded), "[batch, 6, height + 1, width + 2]");
    }
    assert_eq!(shape(&replicate_pad(&x, &border(&[1], &[0, 2]))), "[batch, 6, height + 1, width + 3]");

    // While rustc runs, numbers are not known yet.
    let b = Builder::for_checking();
    let [channels, groups, kernel] = ["channels", "groups", "kernel"].map(|name| b.open_argument(name));
    let x = b.input("x", F32, [Dim::symbol("batch"), channels.clone(), Dim::from(9)]);
    let options = Convolution { groups: groups.clone(), ..Convolution::default() };
    assert_eq!(shape(&conv(&x, 4, std::slice::from_ref(&kernel), options)), "[batch, 4, -kernel + 10]");
    let options = TransposedConvolution {
        groups: groups.clone(),
        padding: vec![kernel.clone()],
        ..transposed(2, 0, 1, 1)
    };
    assert_eq!(
        shape(&conv_transpose(&x, channels, std::slice::from_ref(&kernel), options)),
        "[batch, channels, -kernel + 17]"
    );
    let same = Convolution { same: true, ..Convolution::default() };
    let even = b.input("even", F32, [Dim::symbol("batch"), Dim::from(4), Dim::from(9)]);
    assert_eq!(shape(&conv(&even, 4, std::slice::from_ref(&kernel), same)), "[batch, 4, 9]");
    let known = input(&b, "known", &["batch", "2", "5"]);
    assert_eq!(shape(&upsample(&known, Resized::By(vec![kernel.clone()]))), "[batch, 2, 5*kernel]");
    assert_eq!(shape(&upsample(&known, Resized::To(vec![kernel.clone()]))), "[batch, 2, kernel]");
    let border = Border { before: vec![kernel.clone()], after: vec![groups] };
    assert_eq!(shape(&reflect_pad(&known, &border)), "[batch, 2, kernel + groups + 5]");
}

/// An argument of the network is a number as soon as it is built.
#[test]
fn arguments_are_looked_at() {
    let b = Builder::new(Mode::Train);
    let [five, two, none] =
        [("five", 5), ("two", 2), ("none", 0)].map(|(name, number)| b.argument(name, number));
    let x = input(&b, "x", &["batch", "4", "4"]);
    let plain = Convolution::default;
    assert!(
        mistake(&conv(&x, 4, std::slice::from_ref(&five), plain()))
            .starts_with("the kernel of `conv`, 5, is larger")
    );
    assert!(mistake(&conv(&x, none.clone(), &sizes(&[1]), plain())).starts_with("`conv` with 0 channels"));
    let stride = Convolution { stride: vec![none.clone()], ..plain() };
    assert!(mistake(&conv(&x, 4, &sizes(&[1]), stride)).starts_with("a stride of 0 in `conv`"));
    let groups = |groups| Convolution { groups, ..plain() };
    assert!(
        mistake(&conv(&x, five.clone(), &sizes(&[1]), groups(two.clone())))
            .contains("5 output channels into 2")
    );
    assert!(
        mistake(&max_pool(&x, std::slice::from_ref(&two), pooling(1, 2))).starts_with("`max_pool` pads by 2")
    );
    assert!(
        mistake(&window(&x, -1, five, 1, 1))
            .contains("5 elements does not fit in axis 2 of `x`, which has 4")
    );
    assert_eq!(shape(&conv(&x, 4, &sizes(&[3]), groups(two))), "[batch, 4, 2]");
}

#[test]
fn what_does_not_fit_is_refused() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "6", "9", "7"]);
    let conv_by = |kernel: &[i64], options| mistake(&conv(&x, 12, &sizes(kernel), options));
    assert_eq!(
        conv_by(&[3, 10], options(1, 1, 1, 1)),
        "the kernel of `conv`, 10, is larger than its padded input, 9\n   \
         = axis 3 of `x` has 7 elements and a padding of 1 on each side\n   \
         = help: take a kernel of at most 9, or pad by at least 2"
    );
    assert_eq!(
        conv_by(&[4], options(1, 0, 3, 1)),
        "the kernel of `conv`, 4 (dilated to 10), is larger than its padded input, 9\n   \
         = axis 2 of `x` has 9 elements and a padding of 0 on each side\n   \
         = help: take a kernel of at most 3, or pad by at least 1"
    );
    let nothing = input(&b, "nothing", &["batch", "6", "0"]);
    assert!(
        mistake(&conv(&nothing, 1, &sizes(&[2]), options(1, 0, 1, 1))).ends_with("help: pad by at least 1")
    );
    assert_eq!(
        conv_by(&[3], options(1, 0, 1, 4)),
        "`conv` cannot divide 6 input channels into 4 groups\n   \
         = help: the number of groups must divide that of input channels: 3 or 6"
    );
    assert!(
        conv_by(&[3], options(1, 0, 1, 5))
            .starts_with("`conv` cannot divide 12 output channels into 5 groups")
    );
    assert!(conv_by(&[3], options(1, 0, 1, 0)).starts_with("`conv` with 0 groups"));
    assert!(conv_by(&[3], options(0, 0, 1, 1)).starts_with("a stride of 0 in `conv`"));
    assert!(conv_by(&[3], options(1, 0, 0, 1)).starts_with("a dilation of 0 in `conv`"));
    assert!(conv_by(&[3], options(1, -1, 1, 1)).starts_with("a padding of -1 in `conv`"));
    let same = Convolution { same: true, ..options(2, 0, 1, 1) };
    assert_eq!(
        conv_by(&[3], same),
        "`conv` with `padding: same` and a stride of 2\n   = help: take a stride of 1, or write the padding as numbers"
    );
    assert!(conv_by(&[3, 0], options(1, 0, 1, 1)).starts_with("a kernel of 0 in `conv`"));
    assert_eq!(
        conv_by(&[3, 3, 3], options(1, 0, 1, 1)),
        "3 numbers for the kernel of `conv`\n   = `x` has shape [batch, 6, 9, 7]\n   \
         = help: give one number, or 2: one for each axis behind batch and channels"
    );
    assert!(conv_by(&[], options(1, 0, 1, 1)).starts_with("0 numbers for the kernel of `conv`"));
    assert_eq!(
        mistake(&max_pool(&x, &sizes(&[3, 4]), pooling(1, 2))),
        "`max_pool` pads by 2, more than half of its kernel of 3\n   \
         = help: pad by at most 1: a window must not see padding alone"
    );

    let flat = input(&b, "flat", &["batch", "6"]);
    assert_eq!(
        mistake(&conv(&flat, 1, &sizes(&[3]), Convolution::default())),
        "`conv` needs axes behind batch and channels\n   = `flat` has shape [batch, 6]\n   \
         = help: give it [batch, channels, length], [batch, channels, height, width] or one axis more"
    );
    let labels = b.input("labels", I32, [2, 3, 4]);
    assert!(
        mistake(&conv(&labels, 1, &sizes(&[3]), Convolution::default())).starts_with("`conv` needs floats")
    );
    assert!(mistake(&average_pool(&labels, &sizes(&[3]), Pooling::default(), true)).contains("needs floats"));
    assert!(b.storage_names().is_empty(), "what is refused leaves no parameters");
}

#[test]
fn what_cannot_be_resampled_is_refused() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "6", "4", "5"]);
    let transposed_by = |kernel: &[i64], options| mistake(&conv_transpose(&x, 12, &sizes(kernel), options));
    assert_eq!(
        transposed_by(&[3], transposed(2, 0, 2, 1)),
        "`conv_transpose` adds 2 elements to the end of axis 2 of `x`\n   = its stride is 2 and its dilation 1\n   \
         = help: `output_padding` must be less than one of both: at most 1"
    );
    assert_eq!(
        transposed_by(&[2], transposed(1, 3, 0, 1)),
        "`conv_transpose` would leave -1 elements of axis 2\n   = a padding of 3 takes 6 of 5 elements\n   \
         = help: take less padding or a larger kernel"
    );
    assert!(
        transposed_by(&[2], transposed(1, 0, 0, 4)).starts_with("`conv_transpose` cannot divide 6 input")
    );
    assert!(transposed_by(&[2, 2, 2], transposed(1, 0, 0, 1)).starts_with("3 numbers for the kernel of"));

    assert!(mistake(&upsample(&x, Resized::By(sizes(&[0])))).starts_with("a scale of 0 in `upsample`"));
    let empty = input(&b, "empty", &["batch", "1", "0"]);
    assert!(
        mistake(&upsample_linear(&empty, Resized::To(sizes(&[3])), false))
            .starts_with("`upsample_linear` of nothing: axis 2 of [batch, 1, 0]")
    );
    assert_eq!(
        mistake(&pixel_shuffle(&x, 2)),
        "`pixel_shuffle` by 2 takes a multiple of 4 channels, but `x` has 6\n   = help: the nearest are 4 and 8"
    );
    assert!(
        mistake(&pixel_unshuffle(&x, 2))
            .starts_with("`pixel_unshuffle` by 2 takes a multiple of 2 elements of axis 3, but")
    );
    assert!(mistake(&pixel_shuffle(&x, 0)).starts_with("a factor of 0 in `pixel_shuffle`"));
    assert_eq!(
        mistake(&reflect_pad(&x, &border(&[1], &[4, 2]))),
        "`reflect_pad` mirrors 4 elements, but axis 2 of `x` has 4\n   = the element at the edge is not repeated\n   \
         = help: pad by at most 3, or with `replicate_pad`"
    );
    let open = input(&b, "open", &["batch", "1", "time"]);
    let whole = Border::of(Dim::symbol("time"));
    assert!(mistake(&reflect_pad(&open, &whole)).contains("pad by at most time - 1, or"));
    assert!(mistake(&replicate_pad(&empty, &border(&[1], &[0]))).starts_with("`replicate_pad` of nothing"));
    assert!(mistake(&pad(&x, &border(&[-1], &[0]), 0.0)).starts_with("a `before` of -1 in `pad`"));
    assert!(mistake(&pad(&x, &border(&[1], &[0]), f64::NAN)).starts_with("`pad` with a value"));
    assert!(b.storage_names().is_empty(), "what is refused leaves no parameters");
}
