"""A simulated cloud and queue under the production scaling code, the policies of peers, and an oracle."""
