"""Train the identity network: whose face it is, whatever they do and wear.

Every face of the data set is another person, and what makes a person (the bones' and features'
weights, ancestry, complexion, eyes) is written down beside it. The network learns these numbers off
the picture, through hair, glasses, expression and light, which come and go without regard to them.
What it cannot see, it leaves near the mean, so that the cosine of two pictures counts what is seen.

    python -m recipes.train_identity --minutes 8

It is measured on several pictures of each of some people (`recipes.faces.people`).
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
from torch.nn import functional as F
from tqdm import tqdm

from recipes.faces.identity import identity
from recipes.faces.parameters import columns_of, parameters
from recipes.faces.people import read_people, views, write_people
from recipes.train_judge import augment, batches, to_tensor
from text2face.evaluation.identity import IdentityConfig, IdentityNetwork

SEED_STRANGERS = 20252  # held out
HELD = ("gender", "age", "skin")  # judged attributes that all pictures of a person share
FALSE_ALARMS = 0.01
SAMPLED = 100  # people that tell what makes one


def groups_of(people: int, seed: int) -> NDArray[np.int64]:
    """A number for each person [people]: those of one gender, age and ethnicity share it."""
    faces = [identity(person, seed) for person in range(people)]
    keys = [(face.gender, face.age, face.ethnicity) for face in faces]
    numbers = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys])


def person_columns() -> NDArray[np.int64]:
    """Which of the renderer's parameters make a person: the same in all pictures of one.

    Gender, age, ethnicity and complexion are in them only by their numbers. As choices they
    would make all strangers of a group alike.
    """
    pairs = [tuple(views(person, 2)) for person in range(SAMPLED)]
    one, other = (np.stack([parameters(pair[i]) for pair in pairs]) for i in (0, 1))
    spread = one.std(axis=0) * other.std(axis=0)
    alike = ((one - one.mean(axis=0)) * (other - other.mean(axis=0))).mean(axis=0)
    kept = alike > 0.7 * spread.clip(1e-6)  # not 1: dark glasses hide the colour of the eyes
    for name in ("gender", "age", "ethnicity", "skin"):
        kept[columns_of(name)] = False
    return kept.nonzero()[0]


def train(
    pictures: NDArray[np.uint8],
    wanted: NDArray[np.float32],
    *,
    config: IdentityConfig | None = None,
    minutes: float = 8.0,
    steps: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> IdentityNetwork:
    """Regress numbers [N, K] of zero mean and unit variance on pictures uint8 [N, H, W, 3]."""
    torch.manual_seed(seed)
    random = np.random.RandomState(seed)
    network = IdentityNetwork(config or IdentityConfig(embedding_dim=wanted.shape[1]))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.02)
    began, recent = time.monotonic(), 0.0
    batches_of = batches(len(pictures), min(batch_size, len(pictures)), random)
    for step, rows in enumerate(batches_of, start=1):
        spent = (time.monotonic() - began) / (60 * minutes)
        progress = (step - 1) / steps if steps else spent
        if progress >= 1:
            break
        warmth = min(progress / 0.1 + 0.02, 1.0) * (0.5 + 0.5 * math.cos(math.pi * progress))
        optimiser.param_groups[0]["lr"] = learning_rate * max(warmth, 0.01)
        with torch.autocast("cpu", torch.bfloat16):
            seen = network.read(augment(np.asarray(pictures[rows]), random))
        loss = F.mse_loss(seen.float(), torch.from_numpy(wanted[rows]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        recent += (loss.item() - recent) / min(step, 50)
        if step % 50 == 0:
            click.echo(f"step {step}  {progress:4.0%}  loss {recent:.3f}", err=True)
    network.eval().requires_grad_(False)
    return network


def measure(
    network: IdentityNetwork, pictures: NDArray[np.uint8], groups: NDArray[np.int64]
) -> dict[str, float]:
    """Cosines of held-out pictures [people, views, H, W, 3], and how well they tell people apart.

    Strangers are of one gender, age and ethnicity.
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
        "nearest is the same": float((owner[similar.argmax(1)] == owner).mean()),
    }


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data/train"), show_default=True)
@click.option("--folder", type=Path, default=Path("data/people"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/identity"), show_default=True)
@click.option("--views", type=click.IntRange(2), default=4, show_default=True, help="Of each.")
@click.option("--held-out", type=click.IntRange(2), default=300, show_default=True, help="People.")
@click.option("--minutes", type=float, default=8.0, show_default=True)
def main(data: Path, folder: Path, out: Path, views: int, held_out: int, minutes: float) -> None:
    """Train the network, save it, and print how well it tells people apart."""
    pictures = np.load(data / "images.npy", mmap_mode="r")
    wanted = np.load(data / "parameters.npy")[: len(pictures), person_columns()].astype(np.float32)
    wanted = (wanted - wanted.mean(axis=0)) / wanted.std(axis=0).clip(1e-3)
    network = train(
        pictures,
        wanted,
        config=IdentityConfig(pictures.shape[1], embedding_dim=wanted.shape[1], held=HELD),
        minutes=minutes,
    )
    with tqdm(total=held_out, unit="person") as bar:
        for added in write_people(folder, held_out, views, seed=SEED_STRANGERS):
            bar.update(added)
    unseen = read_people(folder, held_out, views, seed=SEED_STRANGERS)
    found = measure(network, unseen, groups_of(held_out, SEED_STRANGERS))
    measured = {name: round(found[name], 4) for name in ("same", "strangers", "threshold")}
    network.config = replace(network.config, **measured)
    network.save_pretrained(out)
    for name, value in found.items():
        click.echo(f"{name:20s} {value:6.3f}")


if __name__ == "__main__":
    main()
