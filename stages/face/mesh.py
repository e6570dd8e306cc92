"""Which of the 478 points are joined by lines: MediaPipe's connections.

Source: https://github.com/google-ai-edge/mediapipe, mediapipe/python/solutions/face_mesh_connections.py (Apache-2.0);
each line is kept once, its lesser point first. Left and right are the subject's own.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.intp]

EDGES: Mapping[str, Edges] = {
    name: np.array(lines, np.intp)
    for name, lines in json.loads(Path(__file__).with_suffix(".json").read_text()).items()
}
"""intp [n, 2] of `tesselation`, `face_oval`, `lips`, and `left_` and `right_eye`, `_eyebrow` and `_iris`."""
