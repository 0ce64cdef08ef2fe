"""Bench: this worker beside three others around the same engine, on the same broker."""
