"""Recommendation: what a customer may like next, behind one interface."""
