"""The one way out: every byte to an address that a tenant can influence goes through here."""
