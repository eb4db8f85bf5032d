"""The command line: `gatehouse`."""
