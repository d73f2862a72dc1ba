"""From image bytes to labels."""
