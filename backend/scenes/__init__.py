"""Recorded drives: what was sensed, from where, and where the bytes are."""
