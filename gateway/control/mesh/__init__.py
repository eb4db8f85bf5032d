"""The mesh's control plane: who is where, what each sidecar must do, and whether it does."""
