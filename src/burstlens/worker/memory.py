"""How much memory a worker process may take, whatever a picture claims to be."""

import resource
from pathlib import Path

_BYTES_PER_PIXEL = 16
"""Four copies of 8-bit RGBA. At 49 megapixels a lossless WebP with alpha took 751 MB at its peak, 16-bit grey with a
transparent value 655, GIF 424, PNG with alpha and CMYK 377: AVIF and HEIC were not tried."""

_SLACK_BYTES = 512 * 2**20
"""For the stacks of threads yet to be started, and for what the model's runtime takes when it first runs."""


def bound_memory(max_pixels: int) -> None:
    """Let this process take no more than it has now and what decoding a picture of `max_pixels` needs.

    A header can lie about the size of what follows, and not every decoder checks. What is asked for beyond the bound is
    refused by the kernel (``RLIMIT_DATA``, setrlimit(2)), and the picture becomes an error result. A lower limit that
    is there already stays.
    """
    allowed = _taken_bytes() + _SLACK_BYTES + _BYTES_PER_PIXEL * max_pixels
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (allowed, soft) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))


def _taken_bytes() -> int:
    """Private memory that the process may write, resident or not: field 6 of /proc/PID/statm (proc_pid_statm(5))."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()
