"""A simulated day at a hotel group and its shop: seeded, so that the same seed gives the same bytes."""
