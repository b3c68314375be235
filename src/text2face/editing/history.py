"""Several edits in sequence, each of which can be undone exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from text2face.editing import operations
from text2face.errors import ArgumentError

if TYPE_CHECKING:
    from text2face.faces import Face
    from text2face.model import FaceModel

__all__ = ["History"]


class History:
    """A face and what was done to it.

    ```python
    history = History(pipe, pipe("a young woman").faces[0])
    history.edit("with glasses")
    history.edit("smiling", strength=0.7)
    history.undo()  # the face with glasses, bit for bit
    ```
    """

    def __init__(self, pipe: FaceModel, face: Face) -> None:
        """Begin with a face."""
        self.pipe = pipe
        self._faces = [face]
        self._place = 0

    @property
    def face(self) -> Face:
        """The face as it is now."""
        return self._faces[self._place]

    @property
    def faces(self) -> list[Face]:
        """The faces from the first to the present one."""
        return self._faces[: self._place + 1]

    def edit(self, prompt: str, **settings: Any) -> Face:
        """Change the present face; arguments as for `TextToFace.edit`."""
        face = operations.edit(self.pipe, self.face, prompt, **settings)
        self._faces = [*self.faces, face]
        self._place += 1
        return face

    def undo(self) -> Face:
        """Go back one edit.

        Raises:
            ArgumentError: There is none.
        """
        if not self._place:
            raise ArgumentError("nothing to undo; expected at least one edit")
        self._place -= 1
        return self.face

    def redo(self) -> Face:
        """Do again what was undone.

        Raises:
            ArgumentError: Nothing was, or the face was edited since.
        """
        if self._place == len(self._faces) - 1:
            raise ArgumentError("nothing to do again; expected an edit that was undone")
        self._place += 1
        return self.face
