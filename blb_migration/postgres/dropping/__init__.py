"""What a load drops from a target table, or turns off, and restores as it was. Nothing else does that."""
