//! Values as other libraries write them: the mend is the whole value in this language.

use downhill::prelude::*;

network! {
    pub Values(hidden: usize) {
        input  x: [batch, 4];
        input  a: i32[batch];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        let b = h.gather(1, a.unsqueeze(1)).squeeze(1);
        let c = torch.autograd.grad(h.sum(), x, create_graph=True)[0];
        let d = sum(h, dim=1, keepdim=True);
        let (e, f) = h.chunk(2, dim=-1);
        let (g, i) = torch.topk(h, 3);
        let j = h / h.norm(dim=1, keepdim=True);
        let k = 1 + h - x.pow(2) - h.exp();
        let l = torch.where(h > 0, h, 0.1 * h);
        let m = h.masked_fill(h < 0, 0.0);
        let n = h.max(dim=1)[1];
        let o = layers.Dense(8, activation="relu")(h);
        let p = x |> linear(8) |> relu;
        let q = h[:, None] * x[:, :, None];
        let r = x[:, ::2];
        let s = h.repeat(1, 2);
        let t = select((h > 0) & (h < 1), h, 0.0);
        let u = math.exp(h);
        let v = torch.cdist(h, h);
        let w = h.expand(batch, 3, hidden);
        let z = linear(h, 8, init: nn.init.kaiming_normal_);
        output out = linear(h, 1);
        loss squared_error(out, y);
    }
}

fn main() {
    let _ = Values::new(2);
}
