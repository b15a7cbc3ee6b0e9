"""Pure decisions and their values; no I/O, no clocks, no randomness."""
