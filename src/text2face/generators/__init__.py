"""Latent → image."""

from text2face.generators.function import wrap

__all__ = ["wrap"]
