"""The stand-in of fal's queue and of three try-on models behind it."""
