"""Whatever Dagster does not promise to keep: private names, unlisted methods, replaced attributes."""
