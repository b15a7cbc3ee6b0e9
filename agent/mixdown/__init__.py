"""The mix-down process: strips to buses as one matrix in JACK."""
