"""What a manifest asks for, and the plan that comes of it."""
