"""What people look at: pictures of single frames, overlays, the report."""
