"""Desired state: what a configuration file may say, how it is read, and what is told when it is wrong."""
