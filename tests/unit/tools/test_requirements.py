"""`make requirements`: the join of the requirement index with the tests' own claims."""

from __future__ import annotations

from pathlib import Path

import pytest

import requirements

INDEX = """
INT:
  title: Integrations
  rows:
    INT-01: It has a name.
    INT-02: It says `a | b`.
OBS:
  title: Health
  rows:
    OBS-01: It is watched.
"""

FUNCTION = """
import pytest

@pytest.mark.req("INT-01", "INT-02")
def test_a_name_is_kept(): ...

def test_it_claims_nothing(): ...

@pytest.mark.req("OBS-01")
def helper_that_is_no_test(): ...
"""
ASYNC = 'import pytest\n@pytest.mark.req("INT-01")\nasync def test_later(): ...\n'
CLASS = """
import pytest

@pytest.mark.req("INT-01")
class TestNames:
    pytestmark = pytest.mark.req("INT-02")

    @pytest.mark.req("OBS-01")
    def test_it(self): ...
"""
PARAM = """
import pytest

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.req("INT-02"), id="one"), 2])
def test_each(x): ...
"""
MODULE = """
import pytest

pytestmark = [pytest.mark.control_plane, pytest.mark.req("OBS-01")]

def test_it(): ...
"""


PARTLY = """
import pytest

@pytest.mark.req("OBS-01", part="while it answers")
@pytest.mark.req("INT-01")
def test_it(): ...

@pytest.mark.req("OBS-01", part="a | b")
def test_more(): ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "docs/requirements.yaml").write_text(INDEX)
    return tmp_path


def put(root: Path, source: str, name: str = "test_one.py") -> None:
    (root / "tests/unit" / name).write_text(source)


@pytest.mark.parametrize(
    ("source", "claims"),
    [
        pytest.param(
            FUNCTION, [("INT-01", "test_a_name_is_kept"), ("INT-02", "test_a_name_is_kept")], id="function"
        ),
        pytest.param(ASYNC, [("INT-01", "test_later")], id="coroutine"),
        pytest.param(
            CLASS,
            [(row, "TestNames::test_it") for row in ("INT-01", "INT-02", "OBS-01")],
            id="class, its pytestmark and its method",
        ),
        pytest.param(PARAM, [("INT-02", "test_each")], id="one parameter"),
        pytest.param(MODULE, [("OBS-01", "test_it")], id="whole module"),
    ],
)
def test_a_claim_is_read_wherever_pytest_allows_a_mark(
    root: Path, source: str, claims: list[tuple[str, str]]
) -> None:
    put(root, source)
    found = [(proof.requirement, proof.test) for proof in requirements.collect(root)]
    assert found == claims


def test_the_page_links_each_row_to_its_tests_and_keeps_the_table_whole(root: Path) -> None:
    put(root, FUNCTION)
    assert requirements.run(root, check=False) == 0
    page = (root / "docs/requirements.md").read_text()
    assert "2 of 3 rows are proven" in page
    assert "## INT: Integrations (2 of 2)" in page
    assert (
        "| INT-01 | It has a name. | [unit/test_one.py::test_a_name_is_kept](../tests/unit/test_one.py) |"
        in page
    )
    assert r"`a \| b`" in page
    assert "| OBS-01 | It is watched. |  |" in page


def test_a_part_of_a_row_is_named_and_does_not_count(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, PARTLY)
    assert requirements.run(root, check=False) == 0
    page = (root / "docs/requirements.md").read_text()
    assert "1 of 3 rows are proven" in page
    assert "Of 1 more a part is proven" in page
    assert "## OBS: Health (0 of 1)" in page
    more, it = (f"[unit/test_one.py::{name}](../tests/unit/test_one.py)" for name in ("test_more", "test_it"))
    assert (
        f"| OBS-01 | It is watched. | in part (a \\| b):<br>{more}<br>in part (while it answers):<br>{it} |"
        in page
    )
    assert "OBS    1 of  1 unproven: 01" in capsys.readouterr().out


def test_a_row_that_one_test_shows_whole_is_proven_whatever_others_show_of_it(root: Path) -> None:
    put(root, PARTLY)
    put(root, 'import pytest\n@pytest.mark.req("OBS-01")\ndef test_all(): ...\n', "test_two.py")
    assert requirements.run(root, check=False) == 0
    page = (root / "docs/requirements.md").read_text()
    assert "2 of 3 rows are proven" in page
    assert "| OBS-01 | It is watched. | [unit/test_two.py::test_all](../tests/unit/test_two.py) |" in page


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        pytest.param('"INT-01", part=WHAT', "part is a plain string", id="computed"),
        pytest.param('"INT-01", part=""', "part is a plain string", id="empty"),
        pytest.param('"INT-01", only="x"', "a mark takes rows and part, no only", id="another word"),
    ],
)
def test_a_part_that_cannot_be_read_fails(
    root: Path, capsys: pytest.CaptureFixture[str], mark: str, told: str
) -> None:
    put(root, f"import pytest\n@pytest.mark.req({mark})\ndef test_x(): ...\n")
    assert requirements.run(root, check=False) == 1
    assert f"tests/unit/test_one.py:2: {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("numbers", "short"), [([4], "04"), ([1, 2, 3], "01-03"), ([1, 2, 7, 9, 10], "01-02 07 09-10")]
)
def test_unproven_numbers_are_written_as_ranges(numbers: list[int], short: str) -> None:
    groups = [requirements.Group("INT", "t", {f"INT-{number:02}": "x" for number in numbers})]
    assert f"unproven: {short}\n" in requirements.summary(groups, [])


def test_what_nothing_proves_is_printed_with_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, ASYNC)
    requirements.run(root, check=False)
    printed = capsys.readouterr().out
    assert "INT    1 of  2 unproven: 02" in printed
    assert "OBS    1 of  1 unproven: 01" in printed
    assert printed.endswith("1 of 3 rows proven by 1 claims\n")


def test_a_claim_of_an_unknown_row_fails_and_says_where(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, 'import pytest\n@pytest.mark.req("INT-99")\ndef test_x(): ...\n')
    assert requirements.run(root, check=False) == 1
    assert "tests/unit/test_one.py::test_x: no row INT-99" in capsys.readouterr().err
    assert not (root / "docs/requirements.md").exists()


def test_a_row_that_is_computed_cannot_be_read_and_fails(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "import pytest\n@pytest.mark.req(ROW)\ndef test_x(): ...\n")
    assert requirements.run(root, check=False) == 1
    assert "tests/unit/test_one.py:2: rows are named as plain strings" in capsys.readouterr().err


def test_a_row_in_the_wrong_group_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "docs/requirements.yaml").write_text("INT:\n  title: x\n  rows:\n    OBS-01: y\n")
    assert requirements.run(root, check=False) == 1
    assert "OBS-01 stands in group INT" in capsys.readouterr().err


def test_check_passes_on_a_fresh_page_and_fails_on_drift_without_writing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, FUNCTION)
    requirements.run(root, check=False)
    assert requirements.run(root, check=True) == 0
    before = (root / "docs/requirements.md").read_text()
    put(root, ASYNC, "test_two.py")
    assert requirements.run(root, check=True) == 1
    assert "has drifted: run `make requirements`" in capsys.readouterr().err
    assert (root / "docs/requirements.md").read_text() == before


def test_the_real_index_has_every_row_once_and_in_order() -> None:
    groups = requirements.load_index((requirements.ROOT / requirements.INDEX).read_text())
    assert sum(len(group.rows) for group in groups) == 471
    for group in groups:
        assert list(group.rows) == [f"{group.name}-{number:02}" for number in range(1, len(group.rows) + 1)]


def test_the_repository_claims_no_row_that_does_not_exist() -> None:
    groups = requirements.load_index((requirements.ROOT / requirements.INDEX).read_text())
    assert requirements.unknown(groups, requirements.collect(requirements.ROOT)) == []
