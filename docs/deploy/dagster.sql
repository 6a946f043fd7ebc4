-- Runs once, when PostgreSQL's volume is made: Dagster's storage has a database of its own.
CREATE DATABASE dagster;
