"""Pictures: which are taken, how they are made ready for the service, their small copies."""
