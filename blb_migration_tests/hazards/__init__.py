"""One test per row of the list of hazards, named for it; docs/hazards.md links the two."""
