//! Convolutions and pools of what does not fit, and what the arguments may still make fit.

use downhill::prelude::*;

network! {
    /// Pictures of six channels.
    pub Pictures(kernel: usize, channels: usize, groups: usize, height: usize) {
        input  x: [batch, 6, 9, 7];
        input  flat: [batch, 6];
        input  tall: [batch, channels, height, 7];
        let large = conv(x, 4, [3, 8]);
        let dilated = conv(x, 4, 4, dilation: 3, padding: [0, 1]);
        let outputs = conv(x, 4, 3, groups: 3);
        let inputs = conv(x, 8, 3, groups: 4);
        let no_groups = conv(x, 4, 3, groups: 0);
        let unmoved = conv(x, 4, 3, stride: 0);
        let numbers = conv(x, 4, 3, stride: [2, 1, 1]);
        let rows = conv(flat, 4, 3);
        let nothing = conv(x, 0, 3);
        let no_kernel = conv(x, 4, [3, 0]);
        let outward = conv(x, 4, 3, padding: -1);
        let padded = max_pool(x, 3, padding: 2);
        let outside = average_pool(x, [2, 3], padding: [1, 2]);
        let large_pool = max_pool(x, 8);
        let still = max_pool(x, 2, stride: 0);
        let pooled = global_average_pool(flat);
        let parts = adaptive_average_pool(x, [3, 3, 3]);
        let no_parts = adaptive_average_pool(x, 0);
        let wide = window(x, 8, axis: 3);
        let no_size = window(x, 0);
        let taken = conv_transpose(x, 4, 2, padding: [0, 4]);
        let added = conv_transpose(x, 4, 3, stride: 2, output_padding: 2);
        let neither = upsample(x);
        let both = upsample_linear(x, scale: 2, sizes: [8, 8]);
        let shuffled = pixel_shuffle(x, 2);
        let unshuffled = pixel_unshuffle(x, 3);
        let mirrored = reflect_pad(x, 1, after: [0, 7]);
        let around = pad(x, [1, 2, 3]);
        let apart = conv(x, 4, 3, stride: 2, padding: same);
        let no_word = max_pool(x, 3, padding: same);
        let called = conv2d(x, 4, 3);
        let same = conv(x, 6, 2, padding: same) + x;
        let ambiguous = conv(x, 4, 2, padding: same);
        output p = linear(flat, 1);
        loss mean(p);

        // The arguments may make these fit.
        let late = max_pool(conv(tall, 8, kernel, groups: groups), kernel);
        let later = conv(late, channels, kernel, groups: groups);
        let twice = pixel_shuffle(conv_transpose(tall, channels, kernel, padding: 1, output_padding: groups), groups);
        let wider = reflect_pad(upsample(upsample_linear(tall, scale: 2), sizes: height), kernel, after: [0, groups]);
    }
}

fn main() {
    let _ = Pictures::new(3, 4, 2, 9);
}
