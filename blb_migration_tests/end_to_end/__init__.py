"""The whole way: the real driver, the emulator, a real PostgreSQL, the product's own stages."""
