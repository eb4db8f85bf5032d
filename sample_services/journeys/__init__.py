"""User journeys: what people do with the shop, as they see it, on its public address; each works or does not.

The problem: a system whose processes all run may still be of no use, and one with a dead process may still serve
everybody. The rule: what counts is told from outside. A journey is a few steps that a person or a partner's program
takes; it knows the right answers, and names the step that failed. The same journeys pass in every architecture, so the
share that still works under a fault can be compared.
"""
