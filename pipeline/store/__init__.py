"""Shards on disk."""
