"""The app tier: receive, recognise, reply."""
