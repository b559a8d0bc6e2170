"""Files whose bytes are in blocks: what is uploaded for one, the file itself, and its blocks as they are read."""
