"""The doctor: what works on this machine."""
