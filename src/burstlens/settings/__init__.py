"""burstlens.toml and the environment as typed settings; the only place that builds adapters from them."""

from burstlens.settings.load import load_settings
from burstlens.settings.model import Settings

__all__ = ["Settings", "load_settings"]
