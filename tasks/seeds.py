"""The state in which a task's own code, and templates that draw at random, find Python's and numpy's generators.

Those that the code has made for itself are set along with them, see `own_generators.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipeline.fingerprint import digest
from tasks.own_generators import reseed_generators, rewind_generators


@dataclass(frozen=True)
class Seeds:
    """What the generators are set to; None: left alone."""

    python: int | None = 0
    numpy: int | None = 1234

    def sow(self) -> None:
        """Before what is made once for the whole task, such as documents; as the harness does at its start."""
        self._set(self.python, self.numpy)
        rewind_generators()

    def sow_for(self, place: str) -> None:
        """Before what is made of one document: its draws are the same whatever was drawn before them."""
        number = int(digest([place, self.python, self.numpy])[:8], 16)
        self._set(self.python if self.python is None else number, self.numpy if self.numpy is None else number)
        reseed_generators(number)

    def _set(self, python: int | None, numpy: int | None) -> None:
        if python is not None:
            random.seed(python)
        if numpy is not None:
            import numpy as np

            np.random.seed(numpy)
