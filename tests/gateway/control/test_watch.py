from __future__ import annotations

from pathlib import Path

from gateway.control.watch import Look, Watcher, look


def changes(*looks: Look | None) -> list[bool]:
    watcher = Watcher(looks[0])
    return [watcher.changed(one) for one in looks[1:]]


OLD, HALF, NEW = (1, 10, 1), (2, 0, 1), (3, 12, 1)


def test_a_change_counts_when_it_has_settled() -> None:
    assert changes(OLD, OLD, NEW, NEW, NEW) == [False, False, True, False]


def test_a_file_that_is_still_being_written_does_not_count() -> None:
    assert changes(OLD, HALF, NEW, NEW) == [False, False, True]


def test_a_missing_file_is_no_change_and_its_successor_is() -> None:
    assert changes(OLD, None, None, OLD) == [False, False, False]
    assert changes(OLD, None, NEW, NEW) == [False, False, True]


def test_a_rename_over_it_shows_in_the_inode(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("same")
    other.write_text("same")
    before = look(file)
    other.replace(file)
    assert look(file) != before
    assert look(tmp_path / "none") is None
