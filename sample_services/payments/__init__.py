"""payments.example: a third party's service, which the shop uses and does not trust.

It runs beside the shop for teaching, but belongs to nobody there: own keys, no tokens of identity, no Redis user, no
sidecar, and no spans to the shop's collector.
"""
