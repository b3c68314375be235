"""Latent → image."""
