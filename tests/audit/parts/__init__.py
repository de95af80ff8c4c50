"""One file a part; `tests.audit.frame.parts` imports them all."""
