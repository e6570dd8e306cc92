"""MODA: windows of sound and face, its renderer's samples, and the export for its own loader."""
