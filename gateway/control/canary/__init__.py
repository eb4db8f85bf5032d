"""Who decides about canaries: `judge` and `window` know numbers only, `book` what is decided, `keeper` whom to tell."""
