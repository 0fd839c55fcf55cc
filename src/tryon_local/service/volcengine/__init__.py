"""The stand-in of Volcengine's dressing diffusion."""
