"""Text or image → embedding."""
