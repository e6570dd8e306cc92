"""The shoulder line: found in single frames, and made one steady motion."""
