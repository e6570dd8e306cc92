"""Faces cut out of the frames as other systems cut them: one file a system, `stream` makes any of them in one pass."""
