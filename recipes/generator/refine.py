"""Teach the bundled generator texture.

    python -m recipes.generator.refine --generator runs/generator/model --out runs/refined

Regression draws the mean of what it cannot place to the pixel: smooth hair, soft outlines. Critics
of what the text-image encoder sees ask for strands and edges instead, at any place. The whole
generator takes part: z of the renders go through the mapping network, and what comes out is also
blended.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipes.generator.adversary import Adversary
from recipes.generator.mapping import draw_all, normals
from recipes.generator.perception import Perception, difference
from recipes.generator.train import PERCEPTION, Faces, Stage, Trainer, options, run
from text2face.generators.stylegan2 import StyleGAN2

VERDICT = 0.5  # weight of the critics
DISTANCE = 0.25  # weight of the distance beside them: it asks for blur


class Refiner(Trainer):
    """A generator, its critics and their optimisers; the values of faces are their z."""

    def __init__(
        self,
        faces: Faces,
        out: Path,
        images: int,
        perception: Perception,
        generator: StyleGAN2,
        learning_rate: float,
        device: str = "cpu",
    ) -> None:
        generator.requires_grad_(True)
        generator.mapping.layers[:2].requires_grad_(False)  # the steps of `mapping.build`
        stages = (Stage(generator.img_resolution, images),)
        super().__init__(
            faces, out, stages, perception, generator, generator.mapping, learning_rate, device
        )
        self.adversary = Adversary(perception.channels).to(device)

    def state(self) -> dict[str, Any]:
        return super().state() | {"adversary": self.adversary.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.adversary.restore(state["adversary"])

    def blends(self, w: Tensor) -> Tensor:
        """Latents between those of renders and nearer to their mean, as samplers and truncation
        give them. What is halfway between two choices has to look like a face as well.
        """
        mean = self.generator.mapping.w_avg
        share = 0.3 * torch.rand(len(w), 1, device=w.device)
        kept = 0.7 + 0.3 * torch.rand(len(w), 1, device=w.device)
        return mean + kept * (torch.lerp(w, w.roll(1, 0), share) - mean)

    def train_step(self, stage: Stage) -> dict[str, float]:
        real, z = (tensor.to(self.device) for tensor in self.faces(self.step))
        count, rate = len(z), self.rate()
        w = self.embedding(z)
        w = torch.cat([w, self.blends(w[: count // 2])])
        # Renders have no noise, but texture.
        drawn = self.draw(w, real, stage.resolution, noise_mode="random")
        seen, shown = self.perception.compare(drawn.image, drawn.wanted, self.step)
        look = difference([x[:count] for x in seen], shown)
        critics = self.adversary.learn(shown[:-1], seen[:-1], rate)
        verdict = self.adversary.judge(seen[:-1])
        loss = DISTANCE * drawn.loss + PERCEPTION * look + VERDICT * verdict
        return {
            "distance": drawn.loss.item(),
            "look": look.item(),
            "critics": critics,
            "verdict": verdict.item(),
            "norm": self.update(loss, rate, 0.5),
        }

    def keep(self, out: Path) -> None:
        """Write the generator, averaged over its training."""
        self.trained.load_state_dict(self.average)
        z = normals(10_000).to(self.device)
        with torch.no_grad():
            self.generator.mapping.w_avg.copy_(self.generator.mapping(z).mean(0))
        self.generator.eval().requires_grad_(False).save_pretrained(out)


def known(rows: np.ndarray, seed: int, jobs: int) -> tuple[np.ndarray, Tensor]:
    """Which faces of the data set `seed`, with parameters [F, P], z stands for.

    The mapping network sees z at length √Z_DIM, at which some choices come out differently.

    Returns:
        Their numbers [N] and their z [N, Z_DIM].
    """
    seen = draw_all(len(rows), seed, jobs)
    same = (np.abs(seen - rows).max(axis=1) < 0.5).nonzero()[0]
    return same, normals(len(rows), seed=seed).float()[same]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--generator", type=Path, default=Path("runs/generator/model"))
    parser.add_argument("--out", type=Path, default=Path("runs/refined"))
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--learning-rate", type=float, default=2.4e-4, help="its peak")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    images = np.load(arguments.data / "images.npy", mmap_mode="r")
    rows = np.load(arguments.data / "parameters.npy").astype(np.float32)
    seed = json.loads((arguments.data / "dataset.json").read_text())["seed"]
    generator = StyleGAN2.from_pretrained(arguments.generator)
    same, z = known(rows, seed, arguments.threads)
    print(f"{len(same)} of {len(rows)} faces", flush=True)
    refiner = Refiner(
        Faces(images, z, arguments.batch, numbers=same),
        arguments.out,
        arguments.images,
        Perception.from_pretrained(arguments.encoder),
        generator.train(),
        arguments.learning_rate,
        arguments.device,
    )
    run(refiner)
    refiner.keep(arguments.out / "model")


if __name__ == "__main__":
    main()
