"""Render and train on another machine, in stages that resume.

    python -m recipes.away pack away.tar --grown runs/grown    # here: all it needs, under 60 MiB
    tar xf away.tar && python -m recipes.away run --minutes 25 --device cuda    # there, in a folder
    python -m recipes.away run ...               # once more, until it says that all is done

What comes back is `runs/away/back.tar`: the models and what they said while they were trained.
Python, torch and the packages of `pip install '.[recipes]'` have to be there; nothing is fetched.
Where assets or weights live is the same in the archive as in the repository, so `run` works in a
checkout, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from recipes.faces.assets import VERSION, Assets, default_cache
from recipes.generator.known import FILE
from text2face.storage.folders import atomic_file

LIMIT: Final = 60 * 2**20  # bytes of the archive
PACK: Final = f"pack-{VERSION}.npz"
ASSETS: Final = Path("assets")  # in the archive
RUN: Final = Path("runs/away")
GENERATOR: Final = "src/text2face/bundled/generator"
CODE: Final = ("src/text2face", "recipes", "benchmarks/judge", "pyproject.toml", "LICENSE")
LEFT_OUT: Final = ("src/text2face/bundled/sampler/", "src/text2face/bundled/inversion/")
GRACE: Final = 90.0  # seconds for a stage to keep what it has
ENOUGH: Final = 20.0  # seconds: less is not worth a start


@dataclass(frozen=True)
class Stage:
    """A command that goes on where it was when it is run again."""

    name: str
    arguments: tuple[str, ...]


@click.group()
def main() -> None:
    """Render and train on another machine."""


@main.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the assets.")
@click.option(
    "--grown",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"Folder with {FILE} (recipes.generator.known), and of an earlier training its model/.",
)
def pack(archive: Path, cache: Path | None, grown: Path) -> None:
    """Write what has to travel into ARCHIVE."""
    if not (grown / FILE).exists():
        raise click.ClickException(
            f"{grown} holds no {FILE}: make it with python -m recipes.generator.known"
        )
    names = {path.as_posix(): path for path in tracked()}
    names[(RUN / "grown" / FILE).as_posix()] = grown / FILE
    if (grown / "model").exists():  # its weights take the place of the bundled ones
        names |= {f"{GENERATOR}/{path.name}": path for path in (grown / "model").iterdir()}
    files = {path: name for name, path in names.items()}
    size = write_archive(archive, cache or default_cache(), files)
    click.echo(f"{archive}: {size / 2**20:.1f} MiB")


def tracked() -> list[Path]:
    """The files of the repository that are needed there."""
    command = ["git", "ls-files", "--", *CODE]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Path(line) for line in listed.splitlines() if not line.startswith(LEFT_OUT)]


def write_archive(archive: Path, cache: Path, files: dict[Path, str]) -> int:
    """Write an archive of the assets' pack, compressed, and of files by their names there.

    Returns:
        Its bytes.

    Raises:
        click.ClickException: It would be larger than `LIMIT`.
    """
    Assets.load(cache)  # makes the pack if there is none yet
    with tempfile.TemporaryDirectory() as scratch:
        small = Path(scratch) / PACK
        with np.load(cache / PACK) as stored:
            np.savez_compressed(small, allow_pickle=False, **dict(stored))
        members = [(small, str(ASSETS / PACK)), *files.items()]
        size = sum(path.stat().st_size for path, _ in members)
        if size > LIMIT:
            largest = sorted(members, key=lambda member: -member[0].stat().st_size)[:3]
            named = ", ".join(f"{name} {p.stat().st_size / 2**20:.0f} MiB" for p, name in largest)
            raise click.ClickException(
                f"the archive would have {size / 2**20:.0f} MiB, expected at most "
                f"{LIMIT // 2**20}; the largest files are {named}: leave some out"
            )
        with atomic_file(archive) as file, tarfile.open(fileobj=file, mode="w") as out:
            for path, name in members:
                out.add(path, name, recursive=False)
    return archive.stat().st_size


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=RUN)
@click.option("--minutes", type=click.FloatRange(min=0.1), default=25.0, help="Of this call.")
@click.option("--device", default="cpu", help="Where the generator is trained, e.g. cuda.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1)
@click.option("--train", type=click.IntRange(1), default=40_000, help="Faces to learn from.")
@click.option("--test", type=click.IntRange(1), default=3000, help="Faces held out.")
@click.option("--images", type=click.IntRange(1), default=600_000, help="For the generator.")
@click.option("--batch", type=click.IntRange(1), default=64)
@click.option("--identities", type=click.IntRange(4000), default=160_000, help="For the mapping.")
@click.option("--steps", type=click.IntRange(1), default=20_000, help="Of the mapping network.")
def run(
    out: Path,
    minutes: float,
    device: str,
    jobs: int,
    train: int,
    test: int,
    images: int,
    batch: int,
    identities: int,
    steps: int,
) -> None:
    """Go through all stages, or on from where the last call was stopped."""
    data, grown = out / "data", out / "grown"
    cache = ("--cache", str(ASSETS)) if (ASSETS / PACK).exists() else ()
    faces = ("recipes.faces", "--out", str(data), "--size", "256", "--jobs", str(jobs), *cache)
    stages = [
        Stage("test", (*faces, "--train", "0", "--test", str(test))),
        Stage("train", (*faces, "--train", str(train), "--test", "0")),
    ]
    if not (grown / FILE).exists():
        raise click.ClickException(f"no {FILE} in {grown}: pack an archive with --grown")
    grow = ("--data", str(data / "train"), "--out", str(grown), "--device", device)
    size = ("--images", str(images), "--batch", str(batch), "--generator", GENERATOR)
    stages.append(Stage("grow", ("recipes.generator.grow", *grow, *size)))
    mapped = ("--run", str(grown), "--generator", str(grown / "model"), "--out", str(out / "model"))
    amount = ("--identities", str(identities), "--steps", str(steps), "--jobs", str(jobs))
    stages.append(Stage("mapping", ("recipes.generator.mapping", *mapped, *amount)))
    left = list(go(stages, out, time.monotonic() + 60 * minutes))
    keep(out)
    click.echo(f"bring back {out / 'back.tar'}")
    if left:
        click.echo(f"not done: {', '.join(left)}; run the same command again", err=True)
        sys.exit(3)
    click.echo("all stages are done")


def go(stages: list[Stage], out: Path, until: float) -> Iterator[str]:
    """Run the stages that are not marked as done, in order; yields the names of those left.

    Raises:
        click.ClickException: A stage failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(stages):
        done = out / f"{stage.name}.done"
        if done.exists():
            continue
        remaining = until - time.monotonic()
        if remaining < ENOUGH or not _finishes(stage, out / f"{stage.name}.log", remaining):
            yield from (each.name for each in stages[number:])
            return
        done.touch()


def _finishes(stage: Stage, log: Path, seconds: float) -> bool:
    """Run a stage; False if it had to be stopped before it was done."""
    start = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *stage.arguments], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait(max(seconds - GRACE, ENOUGH / 2))
            stopped = False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            stopped = True
            try:
                code = process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    click.echo(f"{stage.name}: {time.monotonic() - start:.0f} s", err=True)
    if code and not stopped:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise click.ClickException(
            f"stage {stage.name} ended with {code}: {''.join(last)[:200]}; all of it is in {log}"
        )
    return code == 0


def keep(out: Path) -> None:
    """Pack what is worth bringing back: models, sheets and what the stages said."""
    wanted = ("*.log", "*.done", "model/*", "grown/model/*", "grown/*.safetensors", "grown/*.png")
    with atomic_file(out / "back.tar") as file, tarfile.open(fileobj=file, mode="w") as archive:
        for pattern in wanted:
            for path in sorted(out.glob(pattern)):
                archive.add(path, path.relative_to(out).as_posix(), recursive=False)


if __name__ == "__main__":
    main()
