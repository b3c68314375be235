"""The head of one face: its body morphed, moved to fixed eyes and mouth, with its eyes in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from recipes.faces.arrays import Floats
from recipes.faces.assets import Assets
from recipes.faces.identity import Identity
from recipes.faces.meshes import normals
from recipes.faces.morphs import morph

# Every head is scaled and moved so that its eyes lie here and its mouth at a fixed distance: hats,
# glasses and shadows then fit all of them.
EYES_AT: Final = np.array([0, 7.35, 1.26])
_EYES_PLUS_MOUTH: Final = 1.28  # dm: between the eyes, plus from there to the mouth
_EYE_CENTRE_BEHIND: Final = np.array([0, 0, 0.03], np.float32)


@dataclass(frozen=True)
class Head:
    assets: Assets
    body: Floats  # [v, 3]

    @classmethod
    def of(cls, face: Identity, assets: Assets) -> Self:
        raw = cls(assets, morph(face, assets))
        between = (raw.left_eye + raw.right_eye) / 2
        mouth = (raw.mouth_left + raw.mouth_right) / 2
        size = np.linalg.norm(raw.left_eye - raw.right_eye) + np.linalg.norm(between - mouth)
        scaled = (raw.body - between) * (_EYES_PLUS_MOUTH / size) + EYES_AT
        return cls(assets, scaled.astype(np.float32))

    @cached_property
    def skin(self) -> Floats:
        """[n, 3]: the body, split at its texture's seams."""
        return self.body[self.assets.skin_vertices]

    @cached_property
    def body_normals(self) -> Floats:
        return normals(self.body, self.assets.body_faces)

    @cached_property
    def skin_normals(self) -> Floats:
        return self.body_normals[self.assets.skin_vertices]

    @cached_property
    def eyes(self) -> Floats:
        """[n, 3] of both eyes, looking straight ahead."""
        return self.assets.proxies["eyes"].fit(self.body)

    @cached_property
    def left_eye(self) -> Floats:
        eyes: Floats = self.eyes[self.eyes[:, 0] > 0].mean(0)
        return eyes

    @cached_property
    def right_eye(self) -> Floats:
        eyes: Floats = self.eyes[self.eyes[:, 0] < 0].mean(0)
        return eyes

    @property
    def mouth_left(self) -> Floats:
        return self._vertex(self.assets.landmarks.mouth_left)

    @property
    def mouth_right(self) -> Floats:
        return self._vertex(self.assets.landmarks.mouth_right)

    @property
    def lobe_left(self) -> Floats:
        return self._vertex(self.assets.landmarks.lobe_left)

    @property
    def lobe_right(self) -> Floats:
        return self._vertex(self.assets.landmarks.lobe_right)

    def _vertex(self, index: int) -> Floats:
        position: Floats = self.body[index]
        return position

    def gazing_eyes(self, face: Identity) -> Floats:
        """[n, 3] of both eyes, turned: partly back towards the camera, partly anywhere."""
        at_camera = face.gaze_at_camera
        yaw = np.deg2rad(-face.yaw * (0.4 + 0.5 * at_camera) + 2.5 * face.gaze_yaw)
        pitch = np.deg2rad(-face.pitch * 0.6 * at_camera + 1.5 * face.gaze_pitch)
        turn = rotation(float(np.clip(yaw, -0.4, 0.4)), float(np.clip(pitch, -0.2, 0.2)), 0).T
        eyes = self.eyes.copy()
        for side in (eyes[:, 0] > 0, eyes[:, 0] < 0):
            centre = eyes[side].mean(0) - _EYE_CENTRE_BEHIND
            eyes[side] = (eyes[side] - centre) @ turn + centre
        return eyes


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """The matrix [3, 3] that rolls, then nods, then turns. Angles in radians."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    matrix: Floats = (turn @ nod @ tilt).astype(np.float32)
    return matrix
