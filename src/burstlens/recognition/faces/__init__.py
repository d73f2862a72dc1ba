"""Who is in a picture, by the pictures of a gallery."""
