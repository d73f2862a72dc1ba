# Runs once, as root, from cloud-init. However it ends, the bucket is told: the marker, or the end of the log.
cd "$(dirname "$0")" || exit 1
set -a
. ./settings
set +a
# Less than the baker waits, so that it still gets the log of a step that hangs.
if timeout 20m sh -eux ./steps.sh >log 2>&1; then
    python3 transfer.py put "$MARKER_KEY" installed
else
    tail -c 16000 log >end-of-log
    # The console shows it too, should the bucket be out of reach.
    cat end-of-log
    python3 transfer.py put "$LOG_KEY" end-of-log
fi
