"""The home's shell: records what happens, shows it, and keeps the county up to date.

It never imports the hub's shell, and decides nothing that `domain` or `sync` decides.
"""
