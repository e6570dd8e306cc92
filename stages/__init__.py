"""The workshops: one file a stage, each a pure function of one video. `order` lists them."""
