"""Landmarks of faces in photos, by YuNet (Wu et al. 2023) through OpenCV: an optional extra.

The network is MIT-licensed, 230 KB, and is not in the package: `text2face models download yunet`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from text2face.errors import ArgumentError, CheckpointError
from text2face.pictures import to_rgb

__all__ = ["YuNet"]

_SIDES: Final = (640, 320)
"""The longer side at which a picture is searched: it finds faces of 10 to 300 pixels."""
_LAPPING: Final = 0.3


class YuNet:
    """Finds faces and their five landmarks (a `LandmarkDetector`)."""

    def __init__(self, network: Path | None = None, *, confidence: float = 0.8) -> None:
        """Load the network.

        Args:
            network: The ONNX file; None = the one that was downloaded.
            confidence: From 0 to 1; what is less likely a face is none.

        Raises:
            ArgumentError: OpenCV is not installed, or the confidence is out of range.
            CheckpointError: The network is not here, or cannot be read.
        """
        if not 0 <= confidence <= 1:
            raise ArgumentError(f"confidence is {confidence!r}, expected a number from 0 to 1")
        try:
            import cv2
        except ImportError:
            raise ArgumentError(
                "to find faces in photos needs OpenCV; install it with pip install "
                "'text2face[align]', or give the landmarks"
            ) from None
        if network is None:
            from text2face.catalogue import downloaded

            network = downloaded("yunet")
        logging: Any = cv2.utils.logging
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # it warns of what it falls back to
        try:
            self._detector: Any = cv2.FaceDetectorYN.create(
                str(network), "", (_SIDES[0], _SIDES[0]), confidence, _LAPPING
            )
        except cv2.error as error:
            raise CheckpointError(
                f"{network} is not a network that OpenCV reads: {str(error).strip()}; expected "
                "YuNet as ONNX; run `text2face models download yunet`"
            ) from None

    def __call__(self, picture: Image.Image) -> list[Tensor]:
        """The landmarks of each face, [5, 2] in pixels (x, y): eyes, nose, corners of the mouth."""
        picture = to_rgb(picture)
        for side in _SIDES:
            share = min(side / max(picture.size), 1.0)
            width, height = (max(round(length * share), 1) for length in picture.size)
            size = (width, height)
            small = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
            self._detector.setInputSize(size)
            _, found = self._detector.detect(np.ascontiguousarray(small[:, :, ::-1]))
            if found is not None:
                scale = torch.tensor(picture.size) / torch.tensor(size)
                return [torch.from_numpy(row[4:14].reshape(5, 2)) * scale for row in found]
        return []
