"""Sound: where it comes from, how it is written, when somebody speaks, and whether lips are in step with it."""
