"""The web tier: images in over HTTP, labels out."""
