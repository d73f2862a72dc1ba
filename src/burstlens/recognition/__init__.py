"""From image bytes to labels."""

import os

# onnxruntime 1.29 and later send usage data to their maker unless this is set before their library is loaded. Nothing
# that works on other people's images may call home; see docs/decisions/0005-no-telemetry.md.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
