"""The source process: one mount, one FFmpeg, and a PUT for each of its two seats."""
