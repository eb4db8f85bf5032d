"""Products and orders over REST; what happens to an order is told to others as events."""
