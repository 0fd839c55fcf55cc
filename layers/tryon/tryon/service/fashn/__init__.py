"""FASHN's virtual try-on: one garment a task, a key, prepaid credits."""
