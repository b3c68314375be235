"""Teach the bundled generator texture.

    python -m recipes.generator.refine --run runs/generator --out runs/refined

Regression draws the mean of what it cannot place to the pixel: smooth hair, soft outlines. Critics
of pixels and of what the text-image encoder sees ask for strands and edges, at any place. The
latents of renders are those of `recipes.generator.train`; beside them are those of the mapping
network, which have no render to show, only critics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recipes.generator.adversary import Adversary
from recipes.generator.coarse import read_extended
from recipes.generator.latents import Parameters
from recipes.generator.mapping import load, normals
from recipes.generator.perception import Perception, difference
from recipes.generator.train import PERCEPTION, Faces, Stage, Trainer, options, run
from recipes.generator.windows import Window
from text2face.generators.stylegan2 import StyleGAN2
from text2face.samplers.cvae import CVAESampler

VERDICT = 0.5  # weight of each kind of critic
DISTANCE = 0.25  # weight of the distance beside them: it asks for blur
TRUNCATED = 0.7  # of the way to the mean latent at most
AHEAD = 2  # times the generator's learning rate: critics have to be ahead of it


class Refiner(Trainer):
    """A generator, its critics and their optimisers."""

    def __init__(
        self,
        faces: Faces,
        out: Path,
        images: int,
        perception: Perception,
        generator: StyleGAN2,
        embedding: Parameters,
        learning_rate: float,
        sampler: CVAESampler | None = None,
        device: str = "cpu",
    ) -> None:
        generator.synthesis.requires_grad_(True)
        stages = (Stage(generator.img_resolution, images),)
        super().__init__(
            faces, out, stages, perception, generator, embedding, learning_rate, device
        )
        generator.mapping.to(device)
        self.sampler = sampler
        self.critics = {
            "texture": Adversary([3], depth=3).to(device),
            "sight": Adversary(perception.channels).to(device),
        }

    def state(self) -> dict[str, Any]:
        return super().state() | {name: critic.state() for name, critic in self.critics.items()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        for name, critic in self.critics.items():
            critic.restore(state[name])

    @torch.no_grad()
    def blends(self, count: int) -> Tensor:
        """Latents [N, w_dim] as they will be drawn: by the mapping network and the sampler, blended
        and truncated. What is halfway between two choices has to look like a face too.
        """
        mapping, random = self.generator.mapping, torch.Generator().manual_seed(self.step)
        w = mapping(torch.randn(count, self.generator.z_dim, generator=random).to(self.device))
        if self.sampler is not None:
            w[: count // 2] = self.sampled(self.sampler, count // 2, random)
        share, cut = torch.rand(2, count, 1, generator=random).to(self.device)
        w = torch.lerp(w, w.roll(1, 0), 0.5 * share)
        return torch.lerp(w, mapping.w_avg, TRUNCATED * cut.square())

    def sampled(self, sampler: CVAESampler, count: int, random: torch.Generator) -> Tensor:
        """Latents [N, w_dim] of conditions between two images, as those of words are."""
        bank = sampler.bank_embeddings
        index = torch.randint(len(bank), (2, count), generator=random)
        share = 0.5 * torch.rand(count, 1, generator=random)
        condition = F.normalize(torch.lerp(bank[index[0]], bank[index[1]], share), dim=1)
        z = torch.randn(count, sampler.z_dim, generator=random)
        return sampler.sample(condition, z)[:, 0].to(self.device)

    def train_step(self, stage: Stage) -> dict[str, float]:
        real, values = (tensor.to(self.device) for tensor in self.faces(self.step))
        count, rate = len(real), self.rate()
        w = torch.cat([self.embedding(values), self.blends(count)])
        # Renders have no noise, but texture.
        drawn = self.draw(w, real, stage.resolution, noise_mode="random")
        seen, shown = self.perception.compare(drawn.image, drawn.wanted, self.step)
        look = difference([x[:count] for x in seen], shown)
        window = Window.draw(self.step, stage.resolution)
        maps = {
            "texture": ([window.cut(drawn.wanted)], [window.cut(drawn.image)]),
            "sight": (shown[:-1], seen[:-1]),
        }
        loss = DISTANCE * drawn.loss + PERCEPTION * look
        numbers = {"distance": drawn.loss.item(), "look": look.item()}
        for name, critic in self.critics.items():
            numbers[name] = critic.learn(*maps[name], AHEAD * rate)
            loss = loss + VERDICT * critic.judge(maps[name][1])
        return numbers | {"norm": self.update(loss, rate, 0.5)}

    def keep(self, out: Path) -> None:
        """Write the generator, averaged over its training."""
        self.trained.load_state_dict(self.average)
        z = normals(10_000).to(self.device)
        with torch.no_grad():
            self.generator.mapping.w_avg.copy_(self.generator.mapping(z).mean(0))
        self.generator.eval().requires_grad_(False).save_pretrained(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/generator"))
    parser.add_argument("--out", type=Path, default=Path("runs/refined"))
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--sampler", type=Path, help="whose latents are judged as well")
    parser.add_argument("--learning-rate", type=float, default=2.4e-4, help="its peak")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    refiner = Refiner(
        Faces(*read_extended(arguments.data, arguments.run), arguments.batch),
        arguments.out,
        arguments.images,
        Perception.from_pretrained(arguments.encoder),
        StyleGAN2.from_pretrained(arguments.run / "model").train(),
        load(arguments.run)[1],
        arguments.learning_rate,
        CVAESampler.from_pretrained(arguments.sampler) if arguments.sampler else None,
        arguments.device,
    )
    run(refiner)
    refiner.keep(arguments.out / "model")


if __name__ == "__main__":
    main()
