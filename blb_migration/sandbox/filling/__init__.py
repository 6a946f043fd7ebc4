"""Makes databases on a SQL Server that is really there, and fills them: DDL and INSERTs through the driver.

For tests (``BLB_TEST_SOURCE_CONN``) and for docs/deploy; the product itself never writes to a source. A
``FilledServer`` has the emulator's face as far as filling goes, so the sample ERP, the zoo and planted
hazards come to either by the same code. Rooms: ``create_statements`` (DDL), ``literals`` (values),
``filled_server`` (databases and the order of things).
"""
