"""`python -m pipeline` is `portrait-prep`: a door, which imports nothing of the rooms above."""

import runpy

if __name__ == "__main__":
    runpy.run_module("portrait_prep", run_name="__main__")
