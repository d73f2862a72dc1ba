"""What this machine's CPU can do."""

from pathlib import Path


def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether it adds products of 8-bit integers in 32 bits; False where that cannot be seen. The names are Linux's."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except FileNotFoundError:
        return False
    flags = {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
    return not flags.isdisjoint({"avx512_vnni", "avx_vnni"})
