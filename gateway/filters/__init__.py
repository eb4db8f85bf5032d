"""One file, one filter; chain.py is the loop that runs them."""
