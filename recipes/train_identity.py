"""Train the identity network, which embeds pictures of one person close together.

Several pictures of each of many people are rendered first (`recipes.faces.people`; a folder that
holds them is used again). Two pictures of each person in a batch attract each other and repel all
others (Khosla et al., 2020, arXiv 2004.11362); a batch holds people of one gender and age as often
as not, so that hats and beards do not give the answer away. The convolutions begin with those of
the judge, who knows what eyes and hair are.

    python -m recipes.train_identity --people 5000 --minutes 20
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from recipes.faces.identity import identity
from recipes.faces.people import SEED_PEOPLE, read_people, write_people
from recipes.measures import load_judge
from recipes.train_judge import augment, to_tensor
from text2face.evaluation.identity import IdentityConfig, IdentityNetwork
from text2face.evaluation.judge import Judge
from text2face.precision import autocast

SEED_STRANGERS = 20252  # held out
HELD = ("gender", "age", "skin")  # judged attributes that all pictures of a person share
FALSE_ALARMS = 0.01


def groups_of(people: int, seed: int) -> NDArray[np.int64]:
    """A number for each person [people]: those of one gender, age and ethnicity share it."""
    faces = [identity(person, seed) for person in range(people)]
    keys = [(face.gender, face.age, face.ethnicity) for face in faces]
    numbers = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys])


def attraction_loss(first: Tensor, second: Tensor, scale: float) -> Tensor:
    """Each of unit vectors [N, D] must find its partner among the others of both sets."""
    both = torch.cat([first, second])
    similar = scale * both @ both.T
    similar.fill_diagonal_(-math.inf)
    count = len(first)
    partner = torch.arange(2 * count).roll(count)
    return F.cross_entropy(similar, partner)


def train(
    pictures: NDArray[np.uint8],
    groups: NDArray[np.int64],
    *,
    config: IdentityConfig | None = None,
    start: Judge | None = None,
    minutes: float = 20.0,
    steps: int | None = None,
    batch_size: int = 48,
    learning_rate: float = 2e-3,
    scale: float = 16.0,
    seed: int = 0,
) -> IdentityNetwork:
    """Train on pictures uint8 [people, views, H, W, 3], `batch_size` people in a step.

    The convolutions begin with those of `start`, which has to have the same width.
    """
    torch.manual_seed(seed)
    random = np.random.RandomState(seed)
    network = IdentityNetwork(config)
    if start is not None:
        network.trunk[:-1].load_state_dict(start.trunk[:-1].state_dict())
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.05)
    batch_size = min(batch_size, len(pictures))
    began, recent, step = time.monotonic(), 0.0, 0
    while True:
        spent = (time.monotonic() - began) / (60 * minutes)
        progress = step / steps if steps else spent
        if progress >= 1:
            break
        warmth = min(progress / 0.1 + 0.02, 1.0) * (0.5 + 0.5 * math.cos(math.pi * progress))
        optimiser.param_groups[0]["lr"] = learning_rate * max(warmth, 0.01)
        chosen = random.permutation(len(pictures))
        if random.rand() < 0.5:  # people alike first
            chosen = chosen[np.argsort(groups[chosen] != groups[chosen[0]], kind="stable")]
        people = chosen[:batch_size]
        turns = np.stack([random.permutation(pictures.shape[1])[:2] for _ in people])
        views = [augment(pictures[people, turns[:, i]], random, shift=0.025) for i in (0, 1)]
        with autocast("cpu"):
            seen = network(torch.cat(views))
        one, other = seen.float().chunk(2)
        loss = attraction_loss(one, other, scale)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        recent += (loss.item() - recent) / min(step, 50)
        if step % 50 == 0:
            click.echo(f"step {step}  {progress:4.0%}  loss {recent:.3f}", err=True)
    network.eval().requires_grad_(False)
    return network


def measure(
    network: IdentityNetwork, pictures: NDArray[np.uint8], groups: NDArray[np.int64]
) -> dict[str, float]:
    """Cosines of held-out pictures [people, views, H, W, 3], and how well they tell people apart.

    Strangers are of one gender, age and ethnicity; "of all" are any two people.
    """
    people, views = pictures.shape[:2]
    flat = pictures.reshape(-1, *pictures.shape[2:])
    seen = network.embed(to_tensor(flat[i : i + 100]) for i in range(0, len(flat), 100))
    similar = (seen @ seen.T).numpy()
    owner = np.repeat(np.arange(people), views)
    above = np.triu(np.ones_like(similar, dtype=bool), 1)
    one = owner[:, None] == owner
    alike = (groups[owner][:, None] == groups[owner]) & ~one
    same, strangers = similar[one & above], similar[alike & above]
    threshold = float(np.quantile(strangers, 1 - FALSE_ALARMS)) if len(strangers) else 1.0
    np.fill_diagonal(similar, -2)
    return {
        "same": float(same.mean()),
        "strangers": float(strangers.mean()) if len(strangers) else 0.0,
        "threshold": threshold,
        "found at 1 in 100": float((same > threshold).mean()),
        "found at 1 in 100 of all": float((same > np.quantile(similar[~one], 0.99)).mean()),
        "nearest is the same": float((owner[similar.argmax(1)] == owner).mean()),
    }


@click.command(help=__doc__)
@click.option("--folder", type=Path, default=Path("data/people"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/identity"), show_default=True)
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--people", type=click.IntRange(2), default=5000, show_default=True)
@click.option("--views", type=click.IntRange(2), default=4, show_default=True, help="Of each.")
@click.option("--held-out", type=click.IntRange(2), default=300, show_default=True, help="People.")
@click.option("--minutes", type=float, default=20.0, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=48, show_default=True, help="People.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
def main(
    folder: Path,
    out: Path,
    judge: Path,
    people: int,
    views: int,
    held_out: int,
    minutes: float,
    batch_size: int,
    jobs: int,
) -> None:
    """Render people, train the network, save it, and print how well it tells people apart."""
    with tqdm(total=people + held_out, unit="person", smoothing=0.02) as bar:
        for count, seed in ((people, SEED_PEOPLE), (held_out, SEED_STRANGERS)):
            for added in write_people(folder, count, views, seed=seed, jobs=jobs):
                bar.update(added)
    pictures = read_people(folder, people, views)
    network = train(
        pictures,
        groups_of(people, SEED_PEOPLE),
        config=IdentityConfig(held=HELD),
        start=load_judge(judge),
        minutes=minutes,
        batch_size=batch_size,
    )
    unseen = read_people(folder, held_out, views, seed=SEED_STRANGERS)
    found = measure(network, unseen, groups_of(held_out, SEED_STRANGERS))
    network.config = replace(
        network.config,
        same=round(found["same"], 4),
        strangers=round(found["strangers"], 4),
        threshold=round(found["threshold"], 4),
    )
    network.save_pretrained(out)
    for name, value in found.items():
        click.echo(f"{name:24s} {value:6.3f}")


if __name__ == "__main__":
    main()
