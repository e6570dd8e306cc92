"""The reader under all views, and the order and the form in which trainers get samples."""
