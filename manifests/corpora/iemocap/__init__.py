"""IEMOCAP: utterances of ten speakers, cut from the videos of their dialogs."""
