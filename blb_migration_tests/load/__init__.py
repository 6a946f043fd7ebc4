"""The stages of a migration."""
