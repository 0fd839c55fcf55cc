"""When to poll: a cadence learned from runs, and whether it still fits."""
