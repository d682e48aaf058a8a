"""JAX's side: a jitted step a call, and n steps in one `lax.scan` under one jit.

In: a workload. Out: the seconds of each timed step, and the losses of a run from the initial weights.
Holds: arrays are on the device, and everything is compiled, before the clock starts (the first run is not counted).
"""

from time import perf_counter_ns

import jax
import jax.numpy as jnp
import optax

from workloads import Elementwise, check_gradient


def versions():
    import jaxlib

    return f"JAX {jax.__version__} (jaxlib {jaxlib.__version__}, optax {optax.__version__})"


def forward(parameters, x):
    """Logits of a ReLU network, [batch, out]."""
    *hidden, last = parameters
    for weight, bias in hidden:
        if weight.ndim == 4:
            x = jax.nn.relu(jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID", dimension_numbers=("NCHW", "HWIO", "NCHW"))
                            + bias[:, None, None])
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        else:
            x = jax.nn.relu(x.reshape(len(x), -1) @ weight + bias)
    return x @ last[0] + last[1]


def output(workload, parameters, x):
    z = forward(parameters, x)
    return jax.nn.sigmoid(z) if workload.binary else z


def make_step(workload):
    optimizer = optax.sgd(workload.learning_rate)
    each = optax.sigmoid_binary_cross_entropy if workload.binary else optax.softmax_cross_entropy_with_integer_labels

    def step(carry, x, y):
        parameters, state = carry
        loss, gradient = jax.value_and_grad(lambda p: each(forward(p, x), y).mean())(parameters)
        updates, state = optimizer.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), loss

    def start():
        parameters = [tuple(map(jnp.array, layer)) for layer in workload.parameters]
        return jax.block_until_ready((parameters, optimizer.init(parameters)))

    return step, start


def batches(workload):
    x, y = workload.x, workload.y if workload.binary else workload.y.astype("int32")
    return jax.block_until_ready([(jnp.array(x[rows]), jnp.array(y[rows])) for rows in workload.order])


def one_step_a_call(workload):
    """A function that trains for `workload.steps` steps, a call each: (seconds a step, losses)."""
    step, start = make_step(workload)
    step = jax.jit(step, donate_argnums=0)
    data = batches(workload)

    def run():
        carry, times, losses = start(), [], []
        for i in range(workload.steps):
            x, y = data[i % len(data)]
            begin = perf_counter_ns()
            carry, loss = step(carry, x, y)
            loss.block_until_ready()
            losses.append(loss)
            times.append(perf_counter_ns() - begin)
        return [t * 1e-9 for t in times], jnp.stack(losses).tolist()

    return run


def steps_in_scan(workload):
    """A function that trains for `workload.steps` steps in one call: ([seconds a step], losses).

    The batches are laid out in their order beforehand, which is no slower than gathering rows inside the loop.
    """
    step, start = make_step(workload)
    x, y = (jnp.stack(part) for part in zip(*batches(workload)))
    order = jnp.arange(workload.steps) % len(x)

    @jax.jit
    def train(carry, x, y, order):
        return jax.lax.scan(lambda carry, i: step(carry, x[i], y[i]), carry, order)

    def run():
        carry = start()
        begin = perf_counter_ns()
        losses = jax.block_until_ready(train(carry, x, y, order))[1]
        seconds = (perf_counter_ns() - begin) * 1e-9
        return [seconds / workload.steps], losses.tolist()

    return run


def inference_run(workload):
    """A function that calls the jitted model once for each row in order: (seconds a call, None)."""
    model = jax.jit(lambda parameters, x: output(workload, parameters, x))
    _, start = make_step(workload)
    parameters, _ = start()
    data = [x for x, _ in batches(workload)]

    def run():
        times = []
        for i in range(workload.steps):
            x = data[i % len(data)]
            begin = perf_counter_ns()
            model(parameters, x).block_until_ready()
            times.append(perf_counter_ns() - begin)
        return [t * 1e-9 for t in times], None

    return run


def elementwise_run(workload):
    """A function that sums the formula and differentiates the sum: (seconds a time, sums). Its gradient is asserted."""
    formula = lambda x: (jax.nn.gelu(x, approximate=False) * jax.nn.sigmoid(x) + jnp.tanh(x)).sum()
    both = jax.jit(jax.value_and_grad(formula))
    x = jax.block_until_ready(jnp.array(workload.x))

    def run():
        times, sums, gradient = [], [], None
        for _ in range(workload.steps):
            begin = perf_counter_ns()
            total, gradient = jax.block_until_ready(both(x))
            times.append(perf_counter_ns() - begin)
            sums.append(float(total))
        check_gradient(workload, gradient, "JAX")
        return [t * 1e-9 for t in times], sums

    return run


def step_run(workload):
    if isinstance(workload, Elementwise):
        return elementwise_run(workload)
    return one_step_a_call(workload) if workload.training else inference_run(workload)


def is_here(workload):
    """Whether the network is written in JAX here."""
    return isinstance(workload, Elementwise) or workload.network == "dense"


def peers():
    """{name: workload -> run, or None where the form does not apply}"""
    return {
        "jax_step": lambda w: step_run(w) if is_here(w) else None,
        "jax_scan": lambda w: steps_in_scan(w) if is_here(w) and w.training and not isinstance(w, Elementwise) else None,
    }
