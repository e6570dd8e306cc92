"""RAVDESS: takes of 24 actors, by the names of its files."""
