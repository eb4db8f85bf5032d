"""Incidents for who learns operations: real faults under load, to be found from dashboards and traces."""
