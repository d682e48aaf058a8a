"""Numbers that Rust and Python compute alike, to the bit. The formulas stand in README.md.

In: a seed. Out: the outputs of splitmix64 from that seed, as integers, as float32 in [-1, 1), as a permutation.
Holds: nothing here depends on numpy's own random numbers, nor on the machine.
"""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def integers(seed, count):
    """The first `count` outputs of splitmix64 started at `seed`, as uint64. All arithmetic is modulo 2^64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def units(seed, count):
    """`count` float32 in [-1, 1): the top 24 bits k of each output give k / 2^23 - 1, without rounding."""
    top = (integers(seed, count) >> np.uint64(40)).astype(np.float32)
    return top / np.float32(1 << 23) - np.float32(1)


def classes(seed, count, number):
    """`count` class indices in 0..number: the top 24 bits modulo `number`."""
    return ((integers(seed, count) >> np.uint64(40)) % np.uint64(number)).astype(np.int64)


def permutation(seed, count):
    """Fisher-Yates over 0..count, from the last place down, one output a place."""
    order = np.arange(count, dtype=np.int64)
    for place, draw in zip(range(count - 1, 0, -1), integers(seed, count - 1)):
        other = int(draw) % (place + 1)
        order[place], order[other] = order[other], order[place]
    return order
