"""Recordings on the page: a list of them, and of each a timeline of what was found and what became of it."""
