"""Named, independent streams of random numbers: one part of a simulation never disturbs another."""

import numpy as np


def random_stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator that belongs to this seed and this purpose."""
    return np.random.default_rng([seed, *name.encode()])


def frame_noise_stream(seed: int, frame: int) -> np.random.Generator:
    """Return the generator of one frame's sensor noise, so that frames can be made in any order."""
    return np.random.Generator(np.random.SFC64([seed, 0x4E015E, frame]))
