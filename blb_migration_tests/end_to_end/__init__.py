"""The whole way: the real driver, the stand-in, a real PostgreSQL, the product's own stages."""
