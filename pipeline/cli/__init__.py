"""The command line: the roof of the house, the only place that knows all rooms."""
