//! Normalisation, attention and positions of what does not fit, and what the arguments may still make fit.

use downhill::prelude::*;

network! {
    /// Sixteen columns that are divided.
    pub Divided(heads: usize, width: usize, groups: usize, channels: usize) {
        input  x: [batch, time, 16];
        input  odd: [batch, time, 15];
        input  wide: [batch, width, time];
        input  lengths: i32[time];
        input  mask: bool[batch, 4];
        let five = attention(x, 5);
        let shared_by = attention(x, 4, kv_heads: 3);
        let headless = attention(x);
        let across = attention(x, x, odd, mask);
        let of_lengths = attention(x, 2, lengths: lengths);
        let masked = attention(x, 2, mask: mask);
        let narrow = scaled_dot_product_attention(x, odd, odd);
        let halves = rotary(odd);
        let grouped = group_norm(transpose(x), 3);
        let by_time = group_norm(x, 3);
        let deep = layer_norm(x, axes: 4);
        let dropped = channel_dropout(mean(x, axes: [1, 2]), 0.5);
        output p = linear(x, 1);
        loss mean(p);

        // The arguments may make these fit.
        let late = attention(x, heads) + attention(x, heads, kv_heads: groups) + rotary(attention(transpose(wide), heads));
        let later = group_norm(transpose(x), groups);
        let wider = group_norm(wide, 3);
        let by_width = layer_norm(wide, axes: channels);
    }
}

fn main() {
    let _ = Divided::new(4, 16, 2, 12);
}
