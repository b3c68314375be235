"""Faces you already have: change them by words, mix them, move between them."""

from text2face.editing.base import EditMethod, EditRequest, check_method
from text2face.editing.history import History

__all__ = ["EditMethod", "EditRequest", "History", "check_method"]
