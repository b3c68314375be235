"""`python -m recipes.faces`: from registry packages to a data set of rendered faces."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

from recipes.faces.archives import AssetError
from recipes.faces.dataset import DatasetError, Plan, write
from recipes.faces.identity import SEED_TEST, SEED_TRAIN, identity
from recipes.faces.renderer import Renderer


@click.command(context_settings={"show_default": True})
@click.option("--out", type=click.Path(path_type=Path), default=Path("data"), help="Folder.")
@click.option("--train", type=click.IntRange(0), default=60_000, help="Faces in OUT/train.")
@click.option("--test", type=click.IntRange(0), default=5_000, help="Faces in OUT/test.")
@click.option("--size", type=click.IntRange(16, 512), default=128, help="Pixels a side.")
@click.option("--captions", type=click.IntRange(1, 100), default=4, help="Captions for each face.")
@click.option("--jobs", type=click.IntRange(1, 256), default=2, help="Processes.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for the asset archives.")
@click.option(
    "--sheet",
    type=(click.IntRange(1, 1000), click.Path(path_type=Path)),
    metavar="N IMAGE",
    help="Only draw N faces in one picture, e.g. --sheet 48 faces.png.",
)
def main(
    out: Path,
    train: int,
    test: int,
    size: int,
    captions: int,
    jobs: int,
    cache: Path | None,
    sheet: tuple[int, Path] | None,
) -> None:
    """Renders faces with known attributes. Run it again to finish what was interrupted."""
    try:
        if sheet is not None:
            contact_sheet(*sheet, size=size, cache=cache)
            return
        plans = {
            out / "train": Plan(SEED_TRAIN, train, size, captions),
            out / "test": Plan(SEED_TEST, test, size, captions),
        }
        plans = {folder: plan for folder, plan in plans.items() if plan.count}
        steps: Iterator[int] = chain.from_iterable(
            write(folder, plan, cache, jobs) for folder, plan in plans.items()
        )
        total = sum(plan.count for plan in plans.values())
        with tqdm(total=total, unit="face", smoothing=0.02) as progress:
            for added in steps:
                progress.update(added)
    except (AssetError, DatasetError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped; finished shards are kept: run the same command to go on", err=True)
        sys.exit(130)


def contact_sheet(
    count: int, path: Path, *, size: int = 128, cache: Path | None = None, columns: int = 8
) -> None:
    """Draws the first `count` test faces side by side into an image file."""
    renderer = Renderer(cache)
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.full((rows * size, columns * size, 3), 255, np.uint8)
    for index in range(count):
        row, column = divmod(index, columns)
        tile = renderer.render(identity(index, SEED_TEST), size)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = tile
    Image.fromarray(sheet).save(path)


if __name__ == "__main__":
    main()
