"""Volcengine's dressing diffusion: signed requests, or the vendor's SDK."""
