"""What stands between the products of dense layers: offsets and ReLU, dropout, and the way back through both."""

import numpy as np

from skrec._kernels._jit import kernel

_U13, _U16 = np.uint32(13), np.uint32(16)
_MIX_1, _MIX_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)


@kernel
def _mix(h):
    """Scramble 32 bits (the finaliser of MurmurHash3); a bijection."""
    h = np.uint32(h ^ (h >> _U16))
    h = np.uint32(h * _MIX_1)
    h = np.uint32(h ^ (h >> _U13))
    h = np.uint32(h * _MIX_2)
    return np.uint32(h ^ (h >> _U16))


@kernel(inline=False)
def activate(values, offsets):
    """Add `offsets` (width,) to each row, and set what is below 0 to 0."""
    n_rows, width = values.shape
    zero = np.float32(0.0)
    for r in range(n_rows):
        for f in range(width):
            values[r, f] = max(values[r, f] + offsets[f], zero)


@kernel(inline=False)
def drop_out(values, share, key_1, key_2):
    """Set a share of the numbers to 0; the others grow to the same mean.

    Which are dropped depends on their place and on both keys, uint32: a generator that counts, so that the loop over a
    row carries no state and runs in vector registers.
    """
    n_rows, width = values.shape
    scale = np.float32(1.0 / (1.0 - share))
    bound = np.uint32(share * 4294967296.0)
    for r in range(n_rows):
        start = np.uint32(np.uint32(r) * np.uint32(width) + key_1)
        for f in range(width):
            kept = _mix(np.uint32(_mix(np.uint32(start + np.uint32(f))) ^ key_2)) >= bound
            values[r, f] = values[r, f] * scale if kept else np.float32(0.0)


@kernel(inline=False)
def deactivate(gradient, outputs, scale, sums):
    """Carry a gradient back through both: times `scale` where what came out is above 0, else 0.

    `sums` (width,) receives its sum over the rows: the gradient of the offsets.
    """
    n_rows, width = gradient.shape
    zero = np.float32(0.0)
    for f in range(width):
        sums[f] = zero
    for r in range(n_rows):
        for f in range(width):
            value = gradient[r, f] * scale if outputs[r, f] > zero else zero
            gradient[r, f] = value
            sums[f] += value
