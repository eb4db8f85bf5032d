"""The whole shop in one process with one database: the same modules, which speak HTTP to each other in memory."""
