"""Incidents for people who learn operations: real faults under generated load, to be found from dashboards and traces."""
