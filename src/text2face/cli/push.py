"""`text2face push`: a model of yours, to the hub."""

from __future__ import annotations

from pathlib import Path

import click

from text2face.cli.options import Command
from text2face.errors import ArgumentError

__all__ = ["push"]


@click.command(
    cls=Command, example="text2face push runs/00000-flow/model you/your-model --licence mit"
)
@click.argument("model")
@click.argument("hub_id", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--licence", help="Of what is yours, such as mit.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The evaluation.json of the last evaluate, for the card's figures.",
)
@click.option("--card", "only_card", is_flag=True, help="Print the model card, and upload nothing.")
def push(
    model: str,
    hub_id: str,
    private: bool,
    licence: str | None,
    evaluation: Path | None,
    only_card: bool,
) -> None:
    """Upload a model to the Hugging Face Hub with a model card.

    MODEL is a folder or a name such as clip2latent-ffhq. The card says what the model is made of,
    under which licences, what its last evaluation found and how to use it.
    """
    from text2face.cards import card
    from text2face.pipeline import TextToFace
    from text2face.storage.folders import read_json

    if only_card and private:
        raise ArgumentError("--private is given with --card, which uploads nothing; leave one out")
    pipe = TextToFace.from_pretrained(model)
    if only_card:
        figures = None if evaluation is None else read_json(evaluation)
        click.echo(card(pipe, hub_id, licence=licence, evaluation=figures), nl=False)
        return
    click.echo(pipe.push_to_hub(hub_id, private=private, licence=licence, evaluation=evaluation))
