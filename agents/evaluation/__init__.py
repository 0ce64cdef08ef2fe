"""Evaluation: how good churn risks would have been on data of the past, as they were given."""
