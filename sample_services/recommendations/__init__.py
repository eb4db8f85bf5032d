"""Who buys this also buys that: a function behind an API. It keeps nothing, calls nobody, and knows no customer."""
