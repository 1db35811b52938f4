"""One flow per kind: gather → decide → act → report."""
