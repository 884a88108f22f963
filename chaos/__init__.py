"""Faults, on purpose: `make chaos` breaks a whole running system and counts what arrived."""
