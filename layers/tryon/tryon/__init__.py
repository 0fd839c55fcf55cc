"""What thinks in tryon: manifests, plans, cadence, gate, ledger, pictures, the try-on service.

Nothing in here knows a Lambda event or reads the environment; handlers pass in clients, settings and the clock.
"""
