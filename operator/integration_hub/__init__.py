"""Integration Hub: outside connections, webhooks, syncs and product health as Kubernetes resources."""

__version__ = "0.1.0"
