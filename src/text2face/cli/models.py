"""`text2face models`: published weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from text2face.cli.errors import note
from text2face.cli.options import Command

if TYPE_CHECKING:
    from text2face.catalogue import Model, NamedPipeline

__all__ = ["models", "prepare"]


@click.group()
def models() -> None:
    """Published weights: what there is, its licence, and downloads."""


@models.command("list", cls=Command, example="text2face models list --kind pipeline")
@click.option(
    "--kind",
    type=click.Choice(["pipeline", "detector", "encoder", "generator", "sampler"]),
    help="Only these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each.")
def list_models(kind: str | None, as_json: bool) -> None:
    """List the published weights that text2face knows, and the pipelines that they make."""
    from text2face.catalogue import MODELS, PIPELINES

    known: list[NamedPipeline | Model] = [*PIPELINES.values(), *MODELS.values()]
    known = [one for one in known if kind in (None, _kind(one))]
    width = max(len(one.name) for one in known)
    for one in known:
        if as_json:
            click.echo(json.dumps(_facts(one)))
        else:
            click.echo(f"{one.name:{width}}  {_kind(one):9}  {_size(one):>8}  {one.about}")


@models.command("info", cls=Command, example="text2face models info clip2latent-ffhq")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def model_info(name: str, as_json: bool) -> None:
    """Show the licence, source and size of weights, and whether they are in the cache."""
    from text2face import named

    found = named.find(name)
    facts = _facts(found)
    if as_json:
        click.echo(json.dumps(facts))
        return
    facts["size"] = _size(found)
    lines = [f"{key}: {value}" for key, value in facts.items() if value and key != "models"]
    for part in facts.get("models", ()):
        here = part["cached"] or "not in the cache"
        lines.append(f"{part['kind']}: {part['name']}; {part['licence']}; {here}")
    click.echo("\n".join(lines))


@models.command("download", cls=Command, example="text2face models download clip2latent-ffhq")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--offline", is_flag=True, help="Only check what is in the cache.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def download_models(names: tuple[str, ...], offline: bool, quiet: bool) -> None:
    """Download weights into the cache and print where they are.

    The licence is shown first, and who goes on accepts it. A download that was interrupted goes on
    where it stopped, and a file that is not the one of the first download is refused.
    """
    from text2face import named
    from text2face.catalogue import download

    for wanted in [named.find(name) for name in names]:
        if isinstance(wanted, named.NamedPipeline):
            places = prepare(wanted.name, accept_licence=True, offline=offline, quiet=quiet)
            click.echo("\n".join(str(place) for place in places))
        else:
            click.echo(f"{wanted.name}: {wanted.licence}", err=True)
            click.echo(str(download(wanted, offline=offline, progress=not quiet)))
            named.accept(wanted)


def prepare(
    model: str | None, *, accept_licence: bool, offline: bool, quiet: bool = False
) -> list[Path]:
    """Download what a named pipeline lacks, after its licences are shown; others are left alone.

    Returns:
        The files and folders of the pipeline.

    Raises:
        CheckpointError: A licence is not accepted, or a part cannot be had.
        OutputError: The cache cannot be written, or has not the room.
    """
    from text2face import named

    if not named.is_named(model) or model is None:
        return []
    if accept_licence:
        for part in named.unaccepted(model):
            click.echo(f"{part.name}: {part.licence}", err=True)
    places = named.fetch(
        model, accept_licence=accept_licence, offline=offline, progress=not quiet, tell=note
    )
    return [place for place, _ in places.values()]


def _facts(one: Model | NamedPipeline) -> dict[str, Any]:
    """All there is to say about published weights."""
    from text2face.catalogue import NamedPipeline, cached

    if isinstance(one, NamedPipeline):
        parts = [_facts(part) for part in one.models]
        facts = {"name": one.name, "kind": "pipeline", "about": one.about, "size": one.size}
        return {**facts, "models": parts}
    return {**asdict(one), "cached": str(cached(one) or "") or None}


def _kind(one: Model | NamedPipeline) -> str:
    return getattr(one, "kind", "pipeline")


def _size(one: Model | NamedPipeline) -> str:
    return f"{one.size / 1e6:,.0f} MB" if one.size else "?"
