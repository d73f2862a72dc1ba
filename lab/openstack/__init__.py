"""A real OpenStack on one Debian machine: keystone, placement, glance, neutron and nova on loopback."""
