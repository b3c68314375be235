"""Rendered faces: each is a fixed function of a vector z ~ N(0, I), and says what it shows.

    z ── identity.py ──> Identity ──┬── renderer.py ───> uint8 image [H, W, 3]
                                    ├── record.py ─────> what can be seen, in words
                                    └── parameters.py ─> the same face as a vector

The assets are CC0 and come from two registry packages by name (`archives.py`, NOTICE.md);
everything else is computed here. `python -m recipes.faces --help` makes a data set.
"""
