"""The contracts: what travels on the topics, what is kept as state, and their codecs."""
