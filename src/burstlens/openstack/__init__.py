"""What everything that talks to OpenStack shares."""
