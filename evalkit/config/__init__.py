"""Settings: YAML groups, the schema they must fit, and their composition."""
