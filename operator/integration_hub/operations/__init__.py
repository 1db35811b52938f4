"""What somebody asks for now, one module each: authorise → gather → decide → act → report.

An operation is a class built with its ports and called with `(caller, typed input)`; it answers a typed
output or a `Problem`. HTTP, the command line and the worker share it.
"""
