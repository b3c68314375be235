"""Embedding → latent."""
