"""What a new user waits for and stores: `make demo` on a clean clone.

    python -m benchmarks.installation

Prints the seconds and the megabytes of the environment and of the clone.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def megabytes(folder: Path) -> float:
    """The sizes of the files below a folder, added up."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_symlink()) / 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "text2face"
        subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", clone], check=True)
        source = megabytes(clone)
        start = time.perf_counter()
        subprocess.run(["make", "--no-print-directory", ".venv/.installed"], cwd=clone, check=True)
        installed = time.perf_counter() - start
        subprocess.run(["make", "--no-print-directory", "demo"], cwd=clone, check=True)
        total = time.perf_counter() - start
        faces = len(list((clone / "out").rglob("seed*.png")))
        print(f"clone {source:.0f} MB, environment {megabytes(clone / '.venv'):.0f} MB", end="")
        print(f"; installed in {installed:.0f} s, {faces} faces after {total:.0f} s")


if __name__ == "__main__":
    main()
