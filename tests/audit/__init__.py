"""`make audit`: long checks that print the tables which the docs quote. See `frame.py`."""
