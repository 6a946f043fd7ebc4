"""How a process that a test starts hears every signal, whatever the tests themselves were started by."""

# What is ignored is inherited: nohup ignores SIGHUP for all that it starts.
HEAR_SIGHUP = """import signal
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
