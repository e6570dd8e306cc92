"""The only door to video and sound: probing, decoding, encoding, and the workspace's own mp4 and wav."""
