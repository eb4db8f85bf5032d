"""What is there, and where it is weak: the inventory of a configuration and of the system that runs it."""
