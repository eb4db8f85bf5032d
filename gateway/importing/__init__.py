"""Configurations from what other tools have written down."""
