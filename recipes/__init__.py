"""How the bundled weights were made: registry packages → faces → trained networks."""
