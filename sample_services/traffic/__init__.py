"""Traffic: gentle, realistic visitors of the shop, through the public gateway like everybody else.

The problem: dashboards of an idle system teach nothing. The rule: a few named journeys, chosen by a seeded
generator, at a steady small rate, a few of them refused on purpose. `plan` is pure and decides; `visitor` does the
HTTP; `journeys` tells the stories; `report` counts.
"""
