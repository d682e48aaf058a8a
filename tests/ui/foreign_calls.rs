//! Layers, functions and arguments under the names of PyTorch, Keras and JAX.

use downhill::prelude::*;

network! {
    pub Modules(hidden: usize) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let a = nn::Linear(4, 10)(x);
        let b = nn.Linear(4, hidden)(x);
        let c = nn.functional.relu(x);
        let d = F.relu(linear(x, 8));
        let e = torch.tanh(x);
        let f = torch::tanh(x);
        let g = Dense(10)(x);
        let h = ReLU()(x);
        let i = nn.BatchNorm1d(8)(a);
        let j = nn.Dropout(0.5);
        let k = self.fc1(x);
        let l = jax.nn.gelu(x);
        let m = 3(x + 1);
        output p = linear(x, 1);
        loss nn.MSELoss()(p, y);
    }
}

network! {
    pub Calls(hidden: usize) {
        input  x: [batch, 4];
        input  t: i32[batch];
        target y: [batch, 1];
        let a = Dense(x, 10);
        let b = Sequential([Linear(4, 8), ReLU(), Linear(8, 1)]);
        let c = Conv2d(x, 8, 3);
        let d = BatchNorm1d(x);
        let e = LeakyReLU(x);
        let f = MaxPool2d(x, 2);
        let g = squeeze(x);
        let h = unsqueeze(x, 0);
        let i = view(x, [batch, 2, 2]);
        let j = detach(x);
        let k = tensor([1, 2]);
        let l = MultiHeadDotProductAttention(x, 2);
        for i in range(3) { let n = relu(x); }
        output p = linear(x, 1);

        loss a1 = MSELoss(p, y);
        loss a2 = mean_squared_error(p, y);
        loss a3 = huber_loss(p, y);
        loss b1 = softmax_cross_entropy(p, y);
        loss b2 = softmax_cross_entropy_with_integer_labels(p, t);
        loss b3 = sparse_categorical_crossentropy(p, t);
        loss b4 = CrossEntropyLoss(p, t);
        loss b5 = BCEWithLogitsLoss(p, y);
        loss b6 = sigmoid_binary_cross_entropy(p, y);
    }
}

network! {
    pub Arguments(hidden: usize) {
        input  x: [batch, 4];
        target y: [batch, 1];
        let a = linear(x, 1, activation: "relu");
        let b = linear(x, 1, activation: relu);
        let c = linear(x, out_features: 1);
        let d = linear(x, 4, hidden);
        let e = linear(4, hidden);
        let f = linear(x, "10");
        let g = softmax(x, dim: 1);
        let h = mean(x, dim: 1, keepdim: true);
        let i = leaky_relu(x, negative_slope: 0.1);
        let j = dropout(x, p: 0.1);
        let k = linear(x, 1, init: "he");
        let l = linear(x, 1, init: he_normal);
        let m = linear(x, 1, init: kaiming_normal);
        let n = linear(x, 1, bias: None);
        let o = linear(x, 1, bias: True);
        let q = linear(x, 1, bias = false);
        let r = concatenate([x, x]);
        let s = concatenate(x, x, 1);
        let t = reshape(x, batch, 2, 2);
        let u = einsum(x, "ij->i");
        let v = linear(x, HIDDEN);
        let w = linear(x, 1, device: 0);
        output p = linear(x, 1);
        loss squared_error(p, y, reduction: "sum");
    }
}

network! {
    pub Named() {
        input  x: [batch, 4];
        input  label: i32[batch];
        target y: [batch, 1];
        let a = torch.nn.functional.softmax(x, dim=1);
        let b = torch.cat([x, x], dim=1);
        let c = F.dropout(x, p=0.5, training=self.training);
        let d = nn.Conv2d(3, 8, kernel_size=3)(x);
        let e = layers.Dense(10, activation="relu")(x);
        let f = nn.LSTM(4, 8, batch_first=True)(x);
        let g = x.mean(-1, keepdim=True);
        let h = torch.zeros(4, 4);
        let i = jnp.where(x > 0, x, 0);
        let j = Concatenate()([x, x]);
        let k = nn.Parameter(torch.zeros(4));
        let l = x.to("cuda");
        let m = layer_norm(x, 4);
        output p = linear(x, 1);
        loss.backward();
        optimizer.step();
        loss cross_entropy(argmax(x), label);
    }
}

fn main() {
    let _ = (Modules::new(1), Calls::new(2), Arguments::new(3), Named::new());
}
