"""What a run of Dagster's is launched with by a test: it says nothing on the terminal."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
