"""Components small enough to run thousands of times; they keep the three protocols."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face import registry
from text2face.pipeline import PipelineConfig, TextToFace
from text2face.prompts import words
from text2face.storage.folders import make_config, read_config, read_tensors, write_folder

KNOWN = frozenset(
    words("a an the face and with of old young man woman red green hair round glasses beard hat")
)


@dataclass(frozen=True)
class TinyConfig:
    embedding_dim: int = 16
    z_dim: int = 6
    w_dim: int = 12
    num_ws: int = 4
    img_resolution: int = 8
    img_channels: int = 3
    c_dim: int = 0


class TinyComponent(nn.Module):
    kind: str

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__()
        self.config = config or TinyConfig()

    def __getattr__(self, name: str) -> Any:
        config = self.__dict__.get("config")
        return getattr(config, name) if hasattr(config, name) else super().__getattr__(name)

    def make(self, name: str, rows: int, columns: int) -> None:
        values = np.random.RandomState(zlib.crc32(name.encode())).randn(rows, columns)
        tensor = torch.from_numpy(values / columns**0.5).half().float()
        self.register_buffer(name, tensor)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        folder = Path(folder)
        config = make_config(TinyConfig, read_config(folder), folder / "config.json")
        component = cls(config)
        shapes = {name: tensor.shape for name, tensor in component.state_dict().items()}
        component.load_state_dict(read_tensors(folder, shapes))
        return component.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        write_folder(Path(folder), {"type": self.kind, **asdict(self.config)}, self.state_dict())


class TinyEncoder(TinyComponent):
    kind = "tiny"

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__(config)
        self.make("pixels", self.config.embedding_dim, 48)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for text in texts:
            seeds = [zlib.crc32(word.encode()) for word in words(text) if word in KNOWN]
            row = sum(np.random.RandomState(seed).randn(self.embedding_dim) for seed in seeds)
            rows.append(torch.as_tensor(np.asarray(row + np.full(self.embedding_dim, 0.5))))
        return torch.stack(rows).float()

    def encode_image(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 4).flatten(1) @ self.pixels.T

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in dict.fromkeys(words(text)) if word not in KNOWN]


class TinySampler(TinyComponent):
    kind = "tiny"

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__(config)
        self.make("from_condition", self.config.num_ws * self.config.w_dim, self.embedding_dim)
        self.make("from_z", self.config.num_ws * self.config.w_dim, self.z_dim)

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        condition = F.normalize(condition, dim=1)
        w = condition @ self.from_condition.T + z @ self.from_z.T
        return w.view(len(w), self.num_ws, self.w_dim)


class TinyGenerator(TinyComponent):
    kind = "tiny"

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__(config)
        self.make("mean", 1, self.config.w_dim)
        self.make(
            "paint", 3 * self.config.img_resolution**2, self.config.num_ws * self.config.w_dim
        )

    @property
    def mean_latent(self) -> Tensor:
        return self.mean[0]

    def map(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        return z.repeat(1, 2)[:, None].repeat(1, self.num_ws, 1)

    def synthesize(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        images = (w.flatten(1) @ self.paint.T).view(-1, 3, self.img_resolution, self.img_resolution)
        if noise_mode == "random":
            images = images + 0.3 * torch.randn_like(images)
        return images


def register() -> None:
    """Make the tiny components known to `TextToFace.from_pretrained`."""
    for kind, component in (
        ("encoder", TinyEncoder),
        ("sampler", TinySampler),
        ("generator", TinyGenerator),
    ):
        registry.register(kind, "tiny")(component)


def make_pipe() -> TextToFace:
    config = PipelineConfig(name="tiny", truncation=0.9)
    return TextToFace(TinyEncoder(), TinySampler(), TinyGenerator(), config=config)
