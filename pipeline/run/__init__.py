"""A run: from what is not current to committed shards."""
