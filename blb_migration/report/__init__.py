"""The report: what happened, what was compared, and whether it is equal. Read from the ledger.

``facts`` reads, ``document`` composes one JSON document of it, ``seal`` hashes that, ``page`` and
``markdown`` show it to people, ``files`` writes it. What people see is a function of the document alone.
"""
