"""Image → latent: alignment, a feed-forward encoder, and optimisation."""
