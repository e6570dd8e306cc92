"""The corpora that a workspace can be made of: one file each, turning a release into catalogue rows."""
