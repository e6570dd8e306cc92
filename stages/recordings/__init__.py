"""Long recordings: where shots begin and end, who is seen, who speaks."""
