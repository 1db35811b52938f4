"""The nouns: one module per kind, spec and status. Imports pydantic only."""
