"""Runs the nodes: set-up, the demo with its bad link, sample data, and what an operator installs.

It never is imported by another package, and never reads or writes a node's databases itself: it starts the commands
that an operator would type and believes only what they print.
"""
