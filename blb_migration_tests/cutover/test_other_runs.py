"""What others do to source and target while a night is under way."""

from __future__ import annotations

from blb_migration_tests.cutover.town import Town

_UP_TO_PROOF = ("ready", "freeze", "backup", "target_schema", "migrate", "prove")


def test_a_load_by_another_run_holds_the_night_until_it_has_loaded_and_proved_again(night: Town) -> None:
    shop = night.shop
    assert shop.migrate().code == 0
    night.start()
    for step in (*_UP_TO_PROOF, "configure"):
        answer = night.run("cutover", "--only", step, "--execute")
        assert answer.code == 0, (step, answer.out, answer.err)
    assert shop.migrate().code == 0  # somebody's rehearsal, into the same target
    held = night.run("cutover", "--only", "smoke", "--execute")
    said = " ".join(held.err.split())
    assert held.code == 3 and "another run has loaded public." in said, said
    assert "'blb-migrate cutover --execute'" in said and night.who() is None
    [(before,)] = shop.target("SELECT count(*) FROM blb_migration.runs")
    answer = night.run("cutover", "--execute")
    assert answer.code == 0 and night.who() == "postgresql", answer.err
    assert shop.target("SELECT count(*) FROM blb_migration.runs")[0][0] >= before + 2  # load and proof


def test_a_source_that_is_made_read_only_for_the_night_is_proof(night: Town) -> None:
    shop = night.shop
    name = shop.source_url.split("/")[-1].split("?")[0]
    assert shop.migrate().code == 0
    shop.servers.engine.add_login("admin", "Admin#12")
    session = shop.servers.engine.login("admin", "Admin#12", name)
    try:
        list(session.execute(f"ALTER DATABASE {name} SET READ_ONLY"))
    finally:
        session.close()
    night.start()
    for step in _UP_TO_PROOF:
        answer = night.run("cutover", "--only", step, "--execute")
        assert answer.code == 0, (step, answer.out, answer.err)
    said = " ".join(answer.out.split())
    assert "reading the source again" not in said  # the marker is enough
    [(evidence,)] = shop.target(
        "SELECT details FROM blb_migration.night_lines WHERE step = 'prove' AND event = 'evidence'"
    )
    assert evidence["is_proof"] and "it is READ_ONLY" in evidence["source"]
    back = night.run("rollback", "--execute")
    assert back.code == 0 and night.who() == "sqlserver", back.err
