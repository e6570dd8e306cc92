"""Sound as networks hear it."""
