"""Lessons: pages of docs/lessons that are read, run and checked."""
