"""Generators: from the kinds in `integration_hub.api` to everything that must agree with them."""
