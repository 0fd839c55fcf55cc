"""What the handlers work with, made of their environment at its first use.

`state` is what every function has; `service` adds the try-on service, `plan` what a manifest may ask for, `results`
where results come from. Apart, so that a function imports no client that it does not use.
"""
