"""Clusters, endpoints, balancers, kept connections."""
