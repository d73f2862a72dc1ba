"""OpenStack as a cloud: one module per noun. `cloud` is the adapter."""
