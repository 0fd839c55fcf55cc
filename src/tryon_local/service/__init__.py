"""A stand-in of the try-on service that runs on one machine."""
