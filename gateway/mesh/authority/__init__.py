"""The certificate authority of the mesh: never on the way of a request."""
