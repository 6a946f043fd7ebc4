"""The line that a person types: options anywhere, true and quick help, errors that show no password."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blb_migration import errors
from blb_migration.cli.main import main
from blb_migration.cli.subcommands import SUBCOMMANDS
from blb_migration.errors import EXIT_CODE_MEANINGS, ExitCode, MigrationError
from blb_migration.settings.variable_list import iterate_variables
from blb_migration_tests.cli.servers import Shop

TOP = Path(__file__).parents[2]
PASSWORD = "Hunter2!x"
HEAVY = {
    "pyarrow", "numpy", "dagster", "mssql_python", "psycopg", "sqlalchemy", "sqlglot", "pandas", "duckdb",
    "rich", "jinja2", "requests", "yaml",
}  # fmt: skip


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("eighty_columns")
class TestHelp:
    @pytest.mark.parametrize("words", [(), *((name,) for name in SUBCOMMANDS)])
    def test_it_fits_eighty_columns_and_has_an_example(
        self, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = ask(capsys, *words, "--help")
        assert (code, err) == (0, "")
        assert max(map(len, out.splitlines())) <= 80
        assert " ".join(("blb-migrate", *words)) in out.split("Example")[1]

    def test_every_example_is_a_line_that_the_parser_takes(self, capsys: pytest.CaptureFixture[str]) -> None:
        for name, subcommand in SUBCOMMANDS.items():
            assert subcommand.example.split()[0] == name
            assert ask(capsys, *subcommand.example.split(), "--help")[0] == 0

    def test_it_names_every_variable_and_every_exit_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        out = " ".join(ask(capsys, "--help")[1].split())
        for variable in iterate_variables():
            assert f"{variable.name} {variable.meaning}".replace("`", "") in out
        for code, meaning in EXIT_CODE_MEANINGS.items():
            assert f"{int(code)} {meaning}" in out

    def test_a_dry_run_is_said_to_load_onto_scratch_copies(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "onto scratch copies of the target's tables" in " ".join(ask(capsys, "--help")[1].split())

    def test_it_imports_nothing_heavy(self) -> None:
        lines = [["--help"], ["--version"], ["--no-such-option"], *([name, "--help"] for name in SUBCOMMANDS)]
        program = (
            "import sys; from blb_migration.cli.main import main\n"
            f"for line in {lines}:\n"
            f"    main(line); print('HEAVY', *line, *({HEAVY} & sys.modules.keys()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TOP
        )
        seen = [line for line in done.stdout.splitlines() if line.startswith("HEAVY")]
        assert seen == [" ".join(("HEAVY", *line)) for line in lines]


class TestExitCodes:
    def test_the_readme_says_what_the_code_says(self) -> None:
        rows = re.findall(
            r"^\| (\d+) \| (.+) \|$", (TOP / "README.md").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert dict(rows) == {str(int(code)): meaning for code, meaning in EXIT_CODE_MEANINGS.items()}
        assert set(EXIT_CODE_MEANINGS) == set(ExitCode)

    def test_the_drawing_of_the_errors_is_the_tree(self) -> None:
        """Each class is drawn below its parent, with its own exit code where that is not the parent's."""
        drawn: dict[str, tuple[str | None, int]] = {}
        path: list[str] = []
        for line in (errors.__doc__ or "").splitlines():
            match = re.match(r"([│├└─ ]*)([A-Z]\w+)(?:\s+\((\d+)\))?  ", line)
            if match:
                del path[len(match[1]) // 4 :]
                parent = path[-1] if path else None
                inherited = drawn[parent][1] if parent else int(ExitCode.NOT_EQUAL)
                drawn[match[2]] = (parent, int(match[3]) if match[3] else inherited)
                path.append(match[2])
        real: dict[str, tuple[str | None, int]] = {}
        classes: list[type[MigrationError]] = [MigrationError]
        while classes:
            kind = classes.pop()
            base = None if kind is MigrationError else kind.__base__
            if kind.__module__ == errors.__name__:
                real[kind.__name__] = (base.__name__ if base else None, int(kind.exit_code))
            classes += kind.__subclasses__()
        assert drawn == real


class TestMistakes:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("--taget-conn x", "unknown option --taget-conn (did you mean --target-conn?)"),
            ("--taget-conn=x", "unknown option --taget-conn (did you mean --target-conn?)"),
            ("plan --chek", "unknown option --chek (did you mean --check?)"),
            ("plna", "unknown subcommand plna (did you mean plan?)"),
            ("frobnicate", "unknown subcommand frobnicate. 'blb-migrate --help' lists what there is."),
            ("--source-conn", "--source-conn needs a value."),
            ("init", "missing argument 'DIR'."),
            ("--dry-run plan", "plan takes no --dry-run"),
            ("--output x preflight", "preflight takes no --output"),
            ("reconcile --checks rows", "--checks rows: there is no such check. Expected one of row_count, "),
            (
                "reconcile --checks contents",
                "--checks contents: there is no such check (did you mean content?).",
            ),
            ("docs digset", "docs digset: there is no such document (did you mean digest?)."),
            (
                "demo --scale x",
                "--scale x: it is not a size of the sample. Expected a whole number from 1 to",
            ),
            ("demo --scale 0", "--scale 0: it is not a size of the sample."),
            ("demo --scale -5", "--scale -5: it is not a size of the sample."),
            ("demo --scale 1e3", "--scale 1e3: it is not a size of the sample."),
            ("demo --scale 99999999999", "--scale 99999999999: it is not a size of the sample."),
            ("demo --port 99999", "--port 99999: it is not a port. Expected a whole number from 1 to 65535."),
            ("ui --port http", "--port http: it is not a port."),
            ("ui --port 0", "--port 0: it is not a port."),
        ],
    )
    def test_it_is_said_in_one_line_and_ends_with_2(
        self, line: str, message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = ask(capsys, *line.split())
        assert (code, out) == (2, "")
        assert err.startswith(f"blb-migrate: {message}")
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        "line",
        [
            f"mssql+pyodbc://sa:{PASSWORD}@host/db",
            f"sa:{PASSWORD}",
            f"plan postgresql://u:{PASSWORD}@host/db",
            f"plan sa:{PASSWORD}",
            f"--taget-conn postgresql://u:{PASSWORD}@host/db",
            f"--taget-conn=postgresql://u:{PASSWORD}@host/db",
            f"demo --port postgresql://u:{PASSWORD}@host/db",
            f"Server=h;Database=x;Password={PASSWORD};",
            f"docs postgresql://u:{PASSWORD}@host/db",
        ],
    )
    def test_no_password_is_repeated(self, line: str, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = ask(capsys, *line.split())
        assert code == 2
        assert err.startswith("blb-migrate: ")
        assert PASSWORD not in out + err


class TestOptionsAnywhere:
    def test_before_the_subcommand_as_after_it(self, shop: Shop) -> None:
        urls = ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
        project = ["--project", str(shop.folder)]
        for line in ([*urls, *project, "plan", "--check"], ["plan", *urls, "--check", *project]):
            assert main(line) == 0
            assert "4 tables, 0 findings" in shop.capture.readouterr().out

    def test_the_one_after_the_subcommand_outranks(self, shop: Shop) -> None:
        urls = ["--source-conn", shop.source_url, "--target-conn", shop.target_url]
        assert main(["--project", "/nowhere", *urls, "plan", "--check", "--project", str(shop.folder)]) == 0

    def test_several_words_behind_one_option(self, shop: Shop) -> None:
        shop.migrate()
        answer = shop.run("reconcile", "--tables", "orders", "customers", "--checks", "row_count")
        assert (answer.code, answer.err) == (0, "")


class TestCompletion:
    @pytest.mark.parametrize(
        ("shell", "sign"),
        [
            ("bash", "complete -o default -F"),
            ("zsh", "#compdef blb-migrate"),
            ("fish", "complete --command blb-migrate"),
            ("powershell", "Register-ArgumentCompleter"),
        ],
    )
    def test_each_shell_has_its_script(self, shell: str, sign: str) -> None:
        assert sign in self.complete({"_BLB_MIGRATE_COMPLETE": f"source_{shell}"})

    @pytest.mark.parametrize(
        ("line", "word", "offered"),
        [
            ("blb-migrate p", 1, {"plan", "preflight"}),
            ("blb-migrate plan --so", 2, {"--source-conn"}),
            ("blb-migrate reconcile --checks in", 3, {"integrity"}),
        ],
    )
    def test_subcommands_options_and_checks_are_offered(
        self, line: str, word: int, offered: set[str]
    ) -> None:
        answer = self.complete(
            {"_BLB_MIGRATE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(word)}
        )
        assert set(answer.split()) == offered

    @staticmethod
    def complete(variables: dict[str, str]) -> str:
        return subprocess.run(
            [sys.executable, "-m", "blb_migration"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            cwd=TOP,
        ).stdout
