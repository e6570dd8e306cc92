"""Live Link Face: its recordings, and the export that writes them."""
