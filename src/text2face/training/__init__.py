"""Pairs (w, e) → trained sampler."""
