"""The face: which one it is, its points, the geometry of its pose, and how steadily it is followed."""
