"""One way to write an export, whatever the system: in parts, whole or not at all, gone on with after a kill."""
