"""Where each video stands at each stage, and why."""
