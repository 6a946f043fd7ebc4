"""The runbook: what people do and tick, from four weeks before to the archived backup.

``checklists`` has the lines and where each stands, ``runbook_parts`` puts them together with what this
project's cutover.yaml makes of every step. ``runbook_markdown`` writes the document that stands before the
night, ``runbook_page`` the page with what was done, by whom and when. Changes nothing but ticks.
"""
