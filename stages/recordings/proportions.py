"""Proportions of a face, which tell one person from another, whatever the pose and the expression.

Differences of two tracks' means, in units of SPREAD, rms of all six: of two halves of one clip of the same person 2.2
at most (12 clips), of different people 3.0 at least, and 8.9 mostly. How they differ between cameras that stand apart,
or under another lens, was not measured, and will be more.
"""

import numpy as np

ENDS = np.array([(234, 454), (132, 361), (10, 168), (168, 2), (468, 473), (67, 297)])
"""Points whose distance is taken: width of the face at the cheekbones and under the ears, height of the forehead,
length of the nose, distance of the pupils, width of the forehead."""

SPREAD = np.array([1.8, 2.3, 0.6, 1.2, 0.4, 0.7])
"""Deviations of the means of some seconds of one person, canonical px; those of different people are 4 to 9 times as
large."""
