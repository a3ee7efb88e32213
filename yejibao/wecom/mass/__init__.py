"""Mass messages and moments: asked for once, confirmed by members of the corp in their client, read back by page."""
