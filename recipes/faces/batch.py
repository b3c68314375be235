"""Collects the parts of a face into one mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recipes.faces.arrays import Floats, Ints
from recipes.faces.camera import Pose
from recipes.faces.meshes import normals
from recipes.faces.shading import Mesh


class Batch:
    """Parts are drawn as if in one mesh, in the order in which they were added."""

    def __init__(self) -> None:
        self._parts: list[Mesh] = []
        self._count = 0

    def add(
        self,
        positions: NDArray[np.floating],
        faces: NDArray[np.integer],
        kind: int,
        *,
        uv: Floats | None = None,
        occlusion: Floats | float = 1.0,
        texture: int = 0,
        colour: int = 0,
        facing: Floats | None = None,
    ) -> None:
        """Adds a part; its normals `facing` [n, 3] are computed unless given."""
        count = len(positions)
        positions = positions.astype(np.float32)
        corners = np.ascontiguousarray(faces, np.int32)
        self._parts.append(
            Mesh(
                positions=positions,
                normals=normals(positions, corners) if facing is None else facing,
                uv=np.zeros((count, 2), np.float32) if uv is None else uv,
                occlusion=np.broadcast_to(np.asarray(occlusion, np.float32), count),
                faces=corners + np.int32(self._count),
                kind=np.full(len(corners), kind, np.int32),
                texture=np.full(len(corners), texture, np.int32),
                colour=np.full(len(corners), colour, np.int32),
            )
        )
        self._count += count

    def posed(self, pose: Pose) -> Mesh:
        """All parts as one mesh, turned by `pose`."""
        whole = Mesh(*(np.concatenate(field) for field in zip(*self._parts, strict=True)))
        positions, facing = pose.apply(whole.positions, whole.normals)
        return whole._replace(positions=positions, normals=facing)

    @property
    def first(self) -> tuple[Ints, int]:
        """The faces of the part added first, and how many vertices it has."""
        part = self._parts[0]
        return part.faces, len(part.positions)
