"""What the service means: events, folds, decisions and tables, as functions of values.

This package never reads or writes a file, a socket, a database, a clock or a source of randomness, never waits, and
never imports another package of ours.  It needs the standard library, and four
packages that compute and do nothing else: the lunar calendar, pinyin, check digits, likeness of texts.
"""
