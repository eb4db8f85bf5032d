"""Metrics, trace context, span export, access log."""
