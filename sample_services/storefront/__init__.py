"""GraphQL over the shop's other services, reviews of its own, and a page for people."""
