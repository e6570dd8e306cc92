"""Frames with what was found drawn on them."""
