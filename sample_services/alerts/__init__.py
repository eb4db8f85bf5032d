"""Watches the order events and notes suspicious orders. It has no API: its input is a stream, its output a table."""
