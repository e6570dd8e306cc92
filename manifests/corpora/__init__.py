"""The corpora that a workspace can be made of: a file or folder each, turning a release into catalogue rows."""
