"""An emulator of SQL Server: it speaks TDS to Microsoft's real driver and T-SQL over DuckDB."""
