"""The catalogue: one YAML file per provider, and the schemes that providers name."""
