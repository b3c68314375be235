"""Measure bulk generation: images a second of two processes over one, each of one thread.

    python -m benchmarks.bulk --images 200

The two processes run without torchrun, which only sets RANK and WORLD_SIZE; their files must be
those of one process, bit for bit.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

PROMPTS = ("a smiling woman with long red hair", "an old man with a white beard", "a child")
AIM = 1.8


def write_table(path: Path, images: int) -> None:
    """A table of prompts."""
    rows = "".join(f"{PROMPTS[i % len(PROMPTS)]}\n" for i in range(images))
    path.write_text(f"prompt\n{rows}", encoding="utf-8")


def draw(table: Path, outdir: Path, processes: int, shard_size: int) -> float:
    """Seconds until all images are there, the loading of the model left out.

    That is found by a first run of the same command, when there is nothing left to draw.
    """
    command = [sys.executable, "-m", "text2face", "generate", "--prompts", str(table)]
    command += ["-o", str(outdir), "--shard-size", str(shard_size), "--device", "cpu", "-q"]

    def once() -> float:
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                command,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": "1",
                    "RANK": str(rank),
                    "WORLD_SIZE": str(processes),
                },
            )
            for rank in range(processes)
        ]
        codes = [process.wait() for process in running]
        if any(codes):
            raise RuntimeError(f"a process ended with {codes}")
        return time.perf_counter() - began

    whole = once()
    return whole - once()


def digest(folder: Path) -> str:
    """One number for all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


@click.command(help=__doc__)
@click.option("--images", type=click.IntRange(2), default=200, show_default=True)
def main(images: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "prompts.csv", images)
        shard_size = max(images // 8, 1)
        seconds = {
            processes: draw(folder / "prompts.csv", folder / str(processes), processes, shard_size)
            for processes in (1, 2)
        }
        same = digest(folder / "1") == digest(folder / "2")
    for processes, spent in seconds.items():
        click.echo(f"{processes} process(es): {images / spent:.1f} images/s")
    ratio = seconds[1] / seconds[2]
    click.echo(f"2 over 1: {ratio:.2f} times, aim {AIM}; files {'equal' if same else 'DIFFER'}")


if __name__ == "__main__":
    main()
