"""Provisioning: what a deployment needs on each cloud, made with one command and unmade with one."""
