"""The kopf door: watch events in, keyed work out. The only room that imports kopf."""
