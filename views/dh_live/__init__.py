"""DH_live: its renderer's crops, its windows of sound, and a PCA of mouths."""
