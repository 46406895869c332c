"""The replicated log: seal, prove, store, follow, exchange.

Knows nothing of children or visits: payloads are opaque here. It never imports `domain`, `node` or a shell.
"""
