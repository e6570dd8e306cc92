"""HDTF: 436 intervals of 369 videos, by its annotation lists."""
