"""The source process: one mount, one ffmpeg, one Icecast PUT."""
