"""How a page becomes a lesson, and which page does not."""

from __future__ import annotations

import pytest

from scenarios.lessons.answering import judge
from scenarios.lessons.reading import BadPage, read

PAGE = """\
# 3 · A title

*12 minutes · architecture gateway, mesh · claims C1, C2*

Some text.

```console
$ echo one \\
  two
one two
$ echo 'a
b'
a
b
```

```yaml
not: run
```

```console fails
$ false
```

The end.

## Question

Which?

- **a** This.
- **b** That.

<!-- answers
- {says: [b], right: true, why: Since it is.}
- {says: [a], why: Look again.}
- {why: Answer with a or b.}
-->
"""


def test_a_page() -> None:
    lesson = read(PAGE, "a-title")
    assert (lesson.number, lesson.id, lesson.title, lesson.minutes) == (3, "a-title", "A title", 12)
    assert (lesson.architectures, lesson.claims) == (("gateway", "mesh"), ("C1", "C2"))
    one, other, failing = lesson.commands
    assert (one.text, one.shown, one.fails) == ("echo one \\\n  two", ("one two",), False)
    assert (other.text, other.shown) == ("echo 'a\nb'", ("a", "b"))
    assert (failing.text, failing.shown, failing.fails) == ("false", (), True)
    assert [step.text for step in lesson.steps] == ["Some text.", "```yaml\nnot: run\n```", "The end."]
    assert lesson.question.choices == (("a", "This."), ("b", "That."))


def test_who_reads_it_does_not_see_the_answers() -> None:
    lesson = read(PAGE, "a-title")
    assert "Since it is." not in str(lesson.view())
    assert "Since it is." not in lesson.question.text


@pytest.mark.parametrize(
    ("answer", "right", "why"),
    [
        ("b", True, "Since it is."),
        (" B. ", True, "Since it is."),
        ("a", False, "Look again."),
        ("", False, "Answer with a or b."),
        ("b or a", False, "Answer with a or b."),
    ],
)
def test_answers(answer: str, right: bool, why: str) -> None:
    found = judge(read(PAGE, "a-title").question, answer)
    assert (found.right, found.why) == (right, why)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# 3 · A title", "# A title", "no title"),
        ("12 minutes", "some minutes", "minutes"),
        ("gateway, mesh", "mesh", "begins in the architecture gateway"),
        ("## Question", "## Questions", "one question"),
        ("right: true, ", "", "no answer is right"),
        ("- {why: Answer with a or b.}\n", "", "not for everything else"),
    ],
)
def test_no_lesson(old: str, new: str, said: str) -> None:
    assert old in PAGE
    with pytest.raises(BadPage, match=said):
        read(PAGE.replace(old, new), "a-title")
