"""Compositions of the same parts: the gateway at the edge, and later the sidecar."""
