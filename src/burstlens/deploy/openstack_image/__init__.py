"""Images for a private cloud: baked on this machine, or imported from a file, and kept in Glance."""
