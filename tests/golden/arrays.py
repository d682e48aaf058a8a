"""NumPy's files for `tests/files.rs`: `arrays.npz` stored and `arrays_packed.npz` deflated, with an array of each type.

Every array counts up from 0 in the order of its indices; `f16` is divided by 8.

    python tests/golden/arrays.py
"""

from pathlib import Path

import numpy as np

folder = Path(__file__).parent
count = np.arange(24).reshape(2, 3, 4)
arrays = {name: count.astype(name) for name in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]}
arrays["big_i2"] = count.astype(">i2")
arrays["big_f8"] = count.astype(">f8")
arrays["fortran"] = np.asfortranarray(count.astype("f4"))
arrays["f2"] = (count / 8).astype("f2")
arrays["flags"] = count % 2 == 0
arrays["scalar"] = np.float32(5)
arrays["empty"] = np.zeros((0, 3), "f4")
np.savez(folder / "arrays.npz", **arrays)
np.savez_compressed(folder / "arrays_packed.npz", **arrays)
