"""What is in the image that every machine of a deployment starts from."""

from burstlens.deploy.image.units import unit_files

__all__ = ["unit_files"]
