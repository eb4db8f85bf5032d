"""The lab: runs scenarios for real, judges them by evidence, tells about them."""
