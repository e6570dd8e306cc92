"""Long recordings: shots, faces, voices, who speaks, and the segments that come of them."""
