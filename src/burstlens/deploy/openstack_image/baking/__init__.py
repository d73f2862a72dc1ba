"""What makes the disk of an image: shell scripts, and files that it gets as they are. None of it imports burstlens."""

from importlib.resources import files


def texts() -> dict[str, str]:
    """Every file's text, by its name, such as ``disk.sh``."""
    found = [file for file in files(__package__).iterdir() if file.name.endswith((".sh", ".cfg", ".conf", ".modules"))]
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(found, key=lambda file: file.name)}
