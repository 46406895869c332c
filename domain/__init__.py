"""What the service means: events, folds, decisions and tables, as functions of values.

This package never reads or writes a file, a socket, a database, a clock or a source of randomness, never waits, and
never imports another package of ours.  It needs the standard library only.
"""
