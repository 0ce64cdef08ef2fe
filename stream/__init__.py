"""The engine, pure: a profile and a touchpoint go in, decisions and triggers come out."""
