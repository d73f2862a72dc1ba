"""How many instances, where, and until when."""
