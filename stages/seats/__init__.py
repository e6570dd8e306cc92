"""Who of two sits where in a side-by-side picture."""
