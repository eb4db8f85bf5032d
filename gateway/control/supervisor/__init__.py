"""The supervisor: starts the processes of one installation, keeps them alive, and leaves nothing behind."""
