//! What a name that nobody knows likely means.

use downhill_graph::error::nearest;

/// What other libraries call it, and what it is called here.
const ALIASES: [(&str, &str); 59] = [
    ("adaptive_avg_pool2d", "adaptive_average_pool"),
    ("average", "mean"),
    ("avg_pool", "average_pool"),
    ("avg_pool1d", "average_pool"),
    ("avg_pool2d", "average_pool"),
    ("avg_pool3d", "average_pool"),
    ("bce", "binary_cross_entropy"),
    ("binary_cross_entropy_with_logits", "bce_with_logits"),
    ("cat", "concatenate"),
    ("clip", "clamp"),
    ("concat", "concatenate"),
    ("constant_pad", "pad"),
    ("conv1d", "conv"),
    ("conv2d", "conv"),
    ("conv3d", "conv"),
    ("conv_transpose2d", "conv_transpose"),
    ("convolution", "conv"),
    ("count_nonzero", "count"),
    ("deconv", "conv_transpose"),
    ("dropout1d", "channel_dropout"),
    ("dropout2d", "channel_dropout"),
    ("dropout3d", "channel_dropout"),
    ("floor_div", "floor_divide"),
    ("frac", "fract"),
    ("fully_connected", "linear"),
    ("glorot", "xavier_uniform"),
    ("glorot_normal", "xavier_normal"),
    ("glorot_uniform", "xavier_uniform"),
    ("he", "kaiming_uniform"),
    ("he_normal", "kaiming_normal"),
    ("he_uniform", "kaiming_uniform"),
    ("histc", "histogram"),
    ("interpolate", "upsample"),
    ("kl_div", "kl_divergence"),
    ("kld", "kl_divergence"),
    ("l1_loss", "absolute_error"),
    ("l2", "squared_error"),
    ("logsumexp", "log_sum_exp"),
    ("mae", "absolute_error"),
    ("max_pool1d", "max_pool"),
    ("max_pool2d", "max_pool"),
    ("max_pool3d", "max_pool"),
    ("modulo", "remainder"),
    ("mse_loss", "squared_error"),
    ("multi_head_attention", "attention"),
    ("multihead_attention", "attention"),
    ("nll_loss", "nll"),
    ("nt_xent", "info_nce"),
    ("permute", "transpose"),
    ("reflection_pad", "reflect_pad"),
    ("repeat_interleave", "repeat"),
    ("replication_pad", "replicate_pad"),
    ("sigmoid_focal_loss", "focal"),
    ("std", "standard_deviation"),
    ("stochastic_depth", "drop_path"),
    ("swish", "silu"),
    ("triplet", "triplet_margin"),
    ("var", "variance"),
    ("vector_norm", "norm"),
];

/// The known name that `wrong` likely means: what another library calls so, or else the [`nearest`].
pub fn likely<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    let meant = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(wrong));
    let meant = meant.and_then(|(_, name)| known.iter().find(|known| *known == name).copied());
    meant.or_else(|| nearest(wrong, known))
}
