"""What Glance is told of an image beside its bytes. Source: "Useful image properties" of Glance's documentation."""

SHUTDOWN_SECONDS = 150
"""How long nova waits after an ACPI power-off before it cuts the power: a worker's unit has 120 s to drain
(``TimeoutStopSec``), and the rest of the system some more. Nova's own default is 60 s."""

HARDWARE = {
    "architecture": "x86_64",
    "os_type": "linux",
    "hw_disk_bus": "virtio",
    "hw_vif_model": "virtio",
    "os_shutdown_timeout": str(SHUTDOWN_SECONDS),
}
