import resource
import subprocess
import sys

SCRIPT = """
import resource
from burstlens.cli.common import run_until_signalled

async def tier(stop):
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

run_until_signalled(tier)
"""


def test_a_tier_may_open_as_many_files_as_its_system_allows() -> None:
    """A thousand waiting clients are a thousand files; the usual limit is 1,024 unless a process asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = ["prlimit", f"--nofile=200:{most if most != resource.RLIM_INFINITY else 'unlimited'}"]
    done = subprocess.run(
        [*lowered, sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=True
    )
    assert int(done.stdout) == most


def test_sigterm_twice_is_not_a_hurry() -> None:
    script = """
import asyncio, os, signal
from burstlens.cli.common import run_until_signalled

async def tier(stop):
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        await asyncio.sleep(0.05)
    print("drained")

run_until_signalled(tier)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "drained\n"
