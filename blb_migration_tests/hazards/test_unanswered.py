"""Questions that the source cannot answer: said once, in words, with the tables behind them."""

from __future__ import annotations

from blb_migration.findings import Severity
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests import real_server
from blb_migration_tests.hazards.planting import NewChain, columns, plant, table


def test_s12_what_a_source_cannot_answer_is_one_finding_per_kind(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    if real_server.is_wanted():
        real_server.skip("a real server answers")
    names = [f"notes_{number}" for number in range(8)]
    tables = [
        table(name, *columns("id int not null", "body nvarchar(40)", "data nvarchar(40)")) for name in names
    ]
    target = ";".join(
        f"CREATE TABLE {name} (id int PRIMARY KEY, body varchar(40), data json)" for name in names
    )
    planted = plant(new_chain(), target, *((each, [{"id": 1, "body": "a\0"}]) for each in tables))
    refused = SqlServerError(195, "'ISJSON' is not a recognized built-in function name.")
    emulator.faults.add(Fault(r"\bISJSON\b", error=refused))
    emulator.faults.add(Fault(r" LIKE CAST\(0x", error=SqlServerError(8152, "cannot compare")))
    try:
        findings = planted.findings("question_not_answered")
    finally:
        emulator.faults.clear()
    texts = [str(finding) for finding in findings]
    assert len(findings) == 2, texts
    assert {finding.severity for finding in findings} == {Severity.WARNING}
    about_json = next(text for text in texts if "which texts are not JSON" in text)
    assert "notes_0.data" in about_json
    assert "and 3 more" in about_json
    assert "'ISJSON' is not a recognized" in about_json
    assert not any("Question(" in text or "QuestionKind" in text for text in texts)
    # The other questions were asked all the same.
    assert len(planted.findings("contains_nul")) == len(names)
