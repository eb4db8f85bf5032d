"""Gatehouse: an API gateway and service mesh to read, run, attack and watch."""
