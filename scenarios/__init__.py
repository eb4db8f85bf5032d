"""The catalogue: one attack per file, with the control that stops it. The lab (scenarios.lab) runs them."""
