"""One loop that trains any baseline which says what it loses."""
