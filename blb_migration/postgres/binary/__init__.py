"""PostgreSQL's binary row format: blocks of rows, encoders, canonical form, digest. Sends no statement."""
