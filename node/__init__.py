"""What every node has, home or hub: folder and configuration, read models, import, command line and web kit.

Joins `domain` (what it means) and `sync` (how it is kept). It never imports a shell and decides nothing about children.
"""
