"""Churn: features of a profile, scorers that learn and predict, and the models that ship."""
