"""From raw talking-face video to training shards. Every room is imported from here: `portrait_prep.views.moda`."""

import os

# Read by ONNX Runtime when it is imported: else it reports to its makers and keeps files in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
