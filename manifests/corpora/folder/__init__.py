"""The corpus `folder`: any folder of videos, searched through all its subfolders."""
