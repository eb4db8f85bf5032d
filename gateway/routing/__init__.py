"""Which route a request takes: Gateway API precedence over a compiled, immutable table."""
