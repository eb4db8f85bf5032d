"""The shop that stands behind the gateway: each service its own process, database and capability."""
