"""Numbers that stream by: gaps, smoothing, moments, percentiles."""
