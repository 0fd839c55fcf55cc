"""Guarded, streaming download of results: the one place that opens an address which the service chose.

An address of a result is a secret while it lives (whoever has it has the picture), so no message, cause or
log record of this package holds more of it than the host.
"""
