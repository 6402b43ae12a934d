"""What a data set held, in 16 digits: two runs with the same ones saw the same data."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASHED = 1 << 30  # bytes


def fingerprint(*arrays: NDArray[Any]) -> str:
    """16 hexadecimal digits for the content; of more than a gibibyte in an array, for evenly spaced examples."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array[:: 1 + array.nbytes // HASHED]).data)
    return content.hexdigest()[:16]
