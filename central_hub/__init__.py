"""The county's shell: receives every home's log, shows the county, and serves the auditors.

It never imports the home's shell, and never writes into a home's log.
"""
