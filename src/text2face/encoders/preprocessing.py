"""What an image encoder does to pictures first, on tensors: resize, crop, normalise.

The same steps as the image processors of transformers, read from the same configuration, but
differentiable and without torchvision. Those round to 8 bits twice while they resize and this does
not: pixels differ by at most 1.1/255, about 0.3/255 on average, and not at all where there is
nothing to resize (`tests/encoders/test_preprocessing.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Literal, Self

from torch import Tensor
from torch.nn import functional as F

from text2face.checks import check_images
from text2face.errors import CheckpointError, quoted

__all__ = ["Preprocessing"]

_MODES: Final[dict[int, Literal["bilinear", "bicubic"]]] = {2: "bilinear", 3: "bicubic"}
"""By Pillow's numbers."""
_STEPS: Final = ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb")


@dataclass(frozen=True)
class Preprocessing:
    """The steps before an image encoder."""

    size: int | tuple[int, int]
    """Resize to this height and width, or the shorter side to this."""
    mean: tuple[float, float, float]
    """Subtracted from pixels in [0, 1]."""
    std: tuple[float, float, float]
    """What they are divided by then."""
    crop: tuple[int, int] | None = None
    """Keep this height and width of the middle; None = all."""
    mode: Literal["bilinear", "bicubic"] = "bicubic"
    """How to resize; with antialiasing, as Pillow does."""

    @classmethod
    def from_json(
        cls, values: Mapping[str, Any], where: object, *, is_siglip: bool = False
    ) -> Self:
        """Read the JSON of an image processor of transformers.

        Args:
            values: The content of `preprocessor_config.json`.
            where: Its path, for errors.
            is_siglip: Whose processor it is: CLIP's takes a single number as the length of the
                shorter side, SigLIP's as that of both.

        Raises:
            CheckpointError: It asks for what there is not.
        """
        try:
            skipped = [
                step
                for step in ("do_resize", "do_rescale", "do_normalize")
                if values.get(step, True) is not True
            ]
            for name, value in values.items():
                if name.startswith("do_") and name not in _STEPS and value:
                    raise ValueError(
                        f"{quoted(name)} is {quoted(value)}, expected no step but resizing, "
                        "cropping, rescaling and normalising"
                    )
            if skipped:
                raise ValueError(f"{skipped[0]} is {quoted(values[skipped[0]])}, expected true")
            factor = values.get("rescale_factor", 1 / 255)
            if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-3):
                raise ValueError(f"rescale_factor is {quoted(factor)}, expected 1/255")
            number = values.get("resample", 3)
            if type(number) is not int or number not in _MODES:
                raise ValueError(
                    f"resample is {quoted(number)}, expected 2 (bilinear) or 3 (bicubic)"
                )
            size = values["size"]
            if isinstance(size, Mapping) and "shortest_edge" in size:
                size = _whole(size["shortest_edge"])
            elif isinstance(size, Mapping) or is_siglip:
                size = _pair(size)
            crops = values.get("do_center_crop")
            if crops is None:  # CLIP's processor crops unless it says that it does not
                crops = not isinstance(size, tuple) or values.get("crop_size") is not None
            if not isinstance(crops, bool):
                raise ValueError(f"do_center_crop is {quoted(crops)}, expected true or false")
            made = cls(
                size=size if isinstance(size, tuple) else _whole(size),
                mean=_three(values["image_mean"]),
                std=_three(values["image_std"]),
                crop=_pair(values["crop_size"]) if crops else None,
                mode=_MODES[number],
            )
            if min(made.std) <= 0:
                raise ValueError(f"image_std is {made.std}, expected positive numbers")
            smallest = made.size if isinstance(made.size, tuple) else (made.size, made.size)
            if not made.crop and not isinstance(made.size, tuple):
                raise ValueError(
                    f"size is {made.size} for the shorter side alone and nothing is cropped, "
                    "expected pictures of one size"
                )
            if made.crop and (made.crop[0] > smallest[0] or made.crop[1] > smallest[1]):
                raise ValueError(f"crop_size {made.crop} is larger than size {made.size}")
        except KeyError as error:
            raise CheckpointError(
                f"cannot use {where}: it has no {error}; expected the configuration of a CLIP or "
                "SigLIP image processor"
            ) from None
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"cannot use {where}: {error}; expected the configuration of a CLIP or SigLIP "
                "image processor"
            ) from None
        return made

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of what comes out; (0, 0) if they depend on what comes in."""
        if self.crop:
            return self.crop
        return self.size if isinstance(self.size, tuple) else (0, 0)

    def __call__(self, images: Tensor) -> Tensor:
        """Prepare images.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size; clamped to it.

        Returns:
            [N, 3, h, w], float32, normalised; differentiable.

        Raises:
            ArgumentError: The images have another shape.
        """
        check_images(images)
        pixels = (images.float().clamp(-1, 1) + 1) / 2
        size = self._target(*images.shape[2:])
        # Each side in turn and cut to what 8 bits can hold, the cheaper one first, as Pillow does.
        height, width = pixels.shape[2:]
        width_first = height * size[1] <= size[0] * width
        for step in ((height, size[1]) if width_first else (size[0], width), size):
            if step != tuple(pixels.shape[2:]):
                pixels = F.interpolate(pixels, step, mode=self.mode, antialias=True).clamp(0, 1)
        if self.crop:
            top, left = (size[0] - self.crop[0]) // 2, (size[1] - self.crop[1]) // 2
            pixels = pixels[:, :, top : top + self.crop[0], left : left + self.crop[1]]
        mean, std = pixels.new_tensor((self.mean, self.std))[:, :, None, None]
        prepared: Tensor = (pixels - mean) / std
        return prepared

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, and the image processors of transformers do."""
        height, width = self.crop or (0, 0)
        number = next(number for number, mode in _MODES.items() if mode == self.mode)
        return {
            "do_resize": True,
            "size": (
                {"height": self.size[0], "width": self.size[1]}
                if isinstance(self.size, tuple)
                else {"shortest_edge": self.size}
            ),
            "resample": number,
            "do_center_crop": self.crop is not None,
            **({"crop_size": {"height": height, "width": width}} if self.crop else {}),
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }

    def _target(self, height: int, width: int) -> tuple[int, int]:
        """What to resize a picture to."""
        if isinstance(self.size, tuple):
            return self.size
        if height <= width:
            return self.size, int(self.size * width / height)
        return int(self.size * height / width), self.size


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4096:
        raise ValueError(f"a size is {quoted(value)}, expected a whole number from 1 to 4096")
    return value


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, Mapping):
        return _whole(value["height"]), _whole(value["width"])
    return _whole(value), _whole(value)


def _three(value: Any) -> tuple[float, float, float]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    values = values * 3 if len(values) == 1 else values
    if len(values) != 3 or not all(isinstance(v, Real) and math.isfinite(v) for v in values):
        raise ValueError(f"image_mean or image_std is {quoted(value)}, expected three numbers")
    return float(values[0]), float(values[1]), float(values[2])
