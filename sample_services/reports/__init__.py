"""What was sold, when, to whom: computed from the order events. Internal only; a wrong number here is nobody else's."""
