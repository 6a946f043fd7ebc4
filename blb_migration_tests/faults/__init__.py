"""The campaign: faults at chosen and at random moments, and what is lost, doubled or falsely called equal."""
