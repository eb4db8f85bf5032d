"""A partner's program: what somebody outside writes who sells the shop's goods on a page of their own."""
