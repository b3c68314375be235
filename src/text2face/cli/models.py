"""`text2face models`: published weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from text2face.catalogue import Model

__all__ = ["models"]


@click.group()
def models() -> None:
    """Published weights: what there is, its licence, and downloads."""


@models.command("list")
@click.option(
    "--kind",
    type=click.Choice(["detector", "encoder", "generator", "sampler"]),
    help="Only these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each model.")
def list_models(kind: str | None, as_json: bool) -> None:
    """List the published weights that text2face knows."""
    from text2face.catalogue import MODELS

    known = [model for model in MODELS.values() if kind in (None, model.kind)]
    width = max(len(model.name) for model in known)
    for model in known:
        if as_json:
            click.echo(json.dumps(_facts(model)))
        else:
            click.echo(f"{model.name:{width}}  {model.kind:9}  {_size(model):>7}  {model.about}")


@models.command("info")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def model_info(name: str, as_json: bool) -> None:
    """Show the licence, source and size of weights, and whether they are in the cache."""
    from text2face.catalogue import find

    facts = _facts(find(name))
    if as_json:
        click.echo(json.dumps(facts))
    else:
        facts["size"] = _size(find(name))
        click.echo("\n".join(f"{key}: {value}" for key, value in facts.items() if value))


@models.command("download")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--offline", is_flag=True, help="Only check what is in the cache.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def download_models(names: tuple[str, ...], offline: bool, quiet: bool) -> None:
    """Download weights into the cache and print where they are.

    The licence is shown first. A download that was interrupted goes on where it stopped, and a
    file that is not the one of the first download is refused.
    """
    from text2face.catalogue import download, find

    wanted = [find(name) for name in names]
    for model in wanted:
        click.echo(f"{model.name}: {model.licence}", err=True)
        click.echo(str(download(model, offline=offline, progress=not quiet)))


def _facts(model: Model) -> dict[str, Any]:
    """All there is to say about published weights."""
    from text2face.catalogue import cached

    return {**asdict(model), "cached": str(cached(model) or "") or None}


def _size(model: Model) -> str:
    return f"{model.size / 1e6:,.0f} MB" if model.size else "?"
