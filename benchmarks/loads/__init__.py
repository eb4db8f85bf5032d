"""Kinds of load: each takes a Site, asks the proxy there for something, and gives back one Sample."""
