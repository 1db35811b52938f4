"""Healing: whether to act on an unwell product, how, and what came of it.

Read in this order: `world` (what is looked at and what can come out), `checks` (the policy, as a list
of named objections), `ladder` (what can be done), `episode` (what the record says), `decide` (all of it
put together), `storm` (when the whole fleet is unwell).
"""
