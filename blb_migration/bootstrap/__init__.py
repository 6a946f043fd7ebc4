"""From a bare clone to a working installation, with nothing but Python's standard library.

``start`` is what ``python -m blb_migration`` calls first, ``python_version`` refuses other Pythons,
``environment`` says which folder, whose it is, one at a time, ``fill`` what goes into it, ``index`` which
package index pip or uv is configured for, ``uv`` which installer and what it is told. Nothing here knows what
the product does. Every Python back to 2.7 reads this file and ``python_version``: they must parse there.
"""
