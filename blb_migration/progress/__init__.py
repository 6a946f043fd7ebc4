"""How far a run is: meters, rates and words. Asks no database."""
