"""The 141 points of the face mesh that DH_live reads, in its order, and what lies where among them.

Source: https://github.com/kleinlee/DH_live, talkingface/utils.py (`main_keypoints_index`). Left and right are the
subject's own.
"""

import numpy as np

_PARTS = {
    "left_brow": (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
    "right_brow": (46, 53, 52, 65, 55, 107, 66, 105, 63, 70),
    "nose_edge": (343, 355, 358, 327, 326, 2, 97, 98, 129, 126, 114),
    "nose_mid": (6, 197, 195, 5, 4),
    "lips_inner": (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
    "lips_outer": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    "left_eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    "right_eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    "oval": (
        *(454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
        *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234),
    ),
    "muscle": (371, 266, 425, 427, 434, 394, 169, 214, 207, 205, 36, 142),
}

POINTS = np.array([number for part in _PARTS.values() for number in part], np.intp)
"""int [141]: numbers in the mesh."""

_ENDS = np.cumsum([0, *map(len, _PARTS.values())]).tolist()
PLACES = {name: slice(_ENDS[number], _ENDS[number + 1]) for number, name in enumerate(_PARTS)}
"""Part -> where its points stand among the 141."""

NOSE_EDGE = np.arange(141)[PLACES["nose_edge"]]
UNDER_NOSE = int(NOSE_EDGE[5])
"""Place of point 2 of the mesh."""
BRIDGE = PLACES["nose_mid"].start + 2
"""Place of point 195 of the mesh: a face is cut from here down."""
OVAL = np.arange(141)[PLACES["oval"]]
JAW = OVAL[2:-2]
"""Places of the outline of the lower face, from the left to the right."""
LIPS = np.arange(141)[PLACES["lips_inner"].start : PLACES["lips_outer"].stop]
UPPER_LIP, LOWER_LIP = PLACES["lips_inner"].start + 15, PLACES["lips_inner"].start + 5
"""Places of points 13 and 14 of the mesh, the middles of the inner lips."""
