"""Samples → numbers."""
