"""Pictures as they come and as they are cut: decoding, the square, and what the pictures are like."""
