"""Who of two people in a picture sits where."""
