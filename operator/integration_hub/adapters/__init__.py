"""The hands: the only place where the libraries that talk to the outside are imported."""
