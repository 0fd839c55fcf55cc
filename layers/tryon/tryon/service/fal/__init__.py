"""fal: one queue and one key in front of many models."""
