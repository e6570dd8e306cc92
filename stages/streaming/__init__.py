"""Values that stream by, frame after frame: gaps, smoothing, moments, percentiles."""
