"""From raw talking-face video to training shards. Every room is imported from here: `portrait_prep.views.moda`."""
