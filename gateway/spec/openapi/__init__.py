"""OpenAPI documents: read with their lines, checked, and brought into the form that workers need (the contract)."""
