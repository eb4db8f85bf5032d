"""From a spec to a snapshot: routes, chains, clusters, ready to serve."""
