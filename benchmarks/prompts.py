"""Write the prompts of rising detail that `text2face evaluate` reads, from held-out records.

python -m benchmarks.prompts --test data/test
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from benchmarks.measures import grammar_tasks
from recipes.caption_bank import read_records


@click.command(help=__doc__)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/rising_prompts.json"), show_default=True)
@click.option("--levels", type=click.IntRange(1, 8), default=7, show_default=True)
@click.option("--count", type=click.IntRange(1), default=150, show_default=True, help="Of each.")
def main(test: Path, out: Path, levels: int, count: int) -> None:
    records = read_records(test)
    lines = [
        json.dumps({"prompt": task.text, "labels": dict(task.labels), "group": task.group})
        for named in range(1, levels + 1)
        for task in grammar_tasks(records, count, named, np.random.default_rng([named, 1]))
    ]
    out.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")
    click.echo(f"{out}: {len(lines)} prompts")


if __name__ == "__main__":
    main()
