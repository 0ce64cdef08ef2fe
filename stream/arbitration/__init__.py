"""Arbitration: of all that could be done for a customer now, what is done; one module a step."""
