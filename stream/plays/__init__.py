"""The plays: one module a family, each a condition, its gates and the trigger it makes."""
