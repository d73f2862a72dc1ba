"""The one CloudFormation template of a fleet."""

from importlib.resources import files


def read_template() -> str:
    """Its text, YAML."""
    return files(__package__).joinpath("template.yaml").read_text(encoding="utf-8")
