"""Whose turn it is: task, assignment, review."""
