"""How threads wait for each other, and how many there are.

torch's CPU kernels share a loop among threads by OpenMP. Who is done first waits, and GNU OpenMP
waits by asking again and again for up to some milliseconds (300,000 times) before it sleeps. That
is quickest while each thread has a core. Where other programs use the cores too, the waiting takes
the time that the work needs, and everything takes many times longer (`python -m
benchmarks.busy_cores`). After 10,000 times the wait costs an idle machine nothing that can be
measured, and a busy one little.

OpenMP reads its variables once, when torch is loaded, so they are set when text2face is imported,
unless torch is there already. A `GOMP_SPINCOUNT` or `OMP_WAIT_POLICY` of the user is left as it is.
"""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["share_cores", "use_threads"]

_WAITS: Final = "10000"


def share_cores() -> None:
    """Let threads that wait give way soon; without effect once torch is loaded."""
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _WAITS)


def use_threads(count: int) -> None:
    """Compute with so many threads in this process, and in those that it starts.

    Args:
        count: At least 1.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
