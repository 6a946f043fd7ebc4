"""The wire half of the SQL Server emulator: TDS 7.4, from a socket's bytes to an engine's calls.

transport     packets and TLS over one socket
handshake     PRELOGIN, TLS, LOGIN7
connection    one client's conversation; calls requests, then responses
rpc           sp_executesql, sp_prepare and their kin; parameters reads their typed values
responses     an engine's outcomes as token streams; faults and replay act here
statements    the list of all that was sent; describe answers sp_describe_first_result_set
tokens        DONE, ENVCHANGE, ERROR and the other small tokens
metadata      COLMETADATA: types and names of a result's columns
rows          Arrow batches to ROW tokens; arrays, fragments, numbers, times, text, variant and
              collation encode its columns

No SQL is understood here: that is the engine's. The format is [MS-TDS], Microsoft's open
specification; section numbers in these modules refer to it.
"""
