"""The plan: two catalogs and a person's decisions become an ordered, typed plan, or findings.

Pure functions over ``model``; nothing here opens a connection. ``project.py`` alone touches files.
"""
