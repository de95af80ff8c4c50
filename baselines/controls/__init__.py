"""Controls: methods that would game a protocol, and the geometric upper bound."""
