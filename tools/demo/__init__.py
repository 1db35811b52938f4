"""`make demo`: the hub at work on a real control plane, with a real outside system, in about a minute."""
