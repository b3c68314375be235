"""Editing of faces: by words, style mixing, interpolation."""

from text2face.editing.base import EditMethod, EditRequest, check_method
from text2face.editing.history import History

__all__ = ["EditMethod", "EditRequest", "History", "check_method"]
