"""The night: from "may we?" to "we are live", or back, step by step. Knows no Dagster and no command line.

A night is described by cutover.yaml (``cutover_file`` reads it, ``night_models`` says what may stand in it).
``night.Night`` is what a step is given: project, both connectors, the file, the journal, and ``run_job``, by
which whoever starts the night (the command or Dagster) runs the migration's own jobs.

A step (``step.Step``; one module each in ``steps``) has

- ``describe(night)``: what it would do, in words, with this night's own values;
- ``check(night)``: what must be so before it acts. Reads only; asked without ``--execute`` too;
- ``look(night, record)``: whether what it does is done, by looking at folders, files, services and ledger;
- ``act(night, scribe)``: does it, from wherever a broken-off attempt left it, and returns its evidence.
  ``scribe.intend(...)`` forces to disk what is about to be done, before it is done;
- ``undo(night, record, scribe)``: takes it back, from wherever it stands; may be repeated.

``carry_out`` asks and carries out: ``rehearse``, ``carry_out`` and ``roll_back``. They yield a ``StepReport``
each, which the command prints and Dagster's assets show. ``journal`` writes every line to a file and to the
ledger; nothing is decided by its last line, but by what ``look`` finds.

To SQL Server only SELECTs are sent (``sqlserver/``); what stops services or takes a backup are the
operator's own commands (``commands``).
"""
