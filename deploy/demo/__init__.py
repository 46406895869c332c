"""The main job on real input: three homes, a hub, a bad link, and `kill -9` on the way.

It starts the commands that an operator would type, looks at nothing but what they print, recomputes the figures from
the raw facts by itself, and never says that a promise held which it did not check.
"""
