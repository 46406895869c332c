"""Registers: an edit replaces exactly what its author had seen."""

from __future__ import annotations

from domain.registers import Head, Register, Sight, contested, winner

A, B = b"A" * 16, b"B" * 16


def head(value: str, log: bytes, seq: int, *, home: str = "home-01", origin: bytes | None = None) -> Head:
    """One value of a field."""
    id_ = log[:8] + seq.to_bytes(8, "big")
    return Head(id_, origin or id_, log, seq, seq, home, "w", 0, value)


def seeing(log: bytes, **deps: int) -> Sight:
    """What an author of a log had seen of the others."""
    return Sight(log, {name.encode() * 16: seq for name, seq in deps.items()}, {})


def values(register: Register) -> list[str]:
    """The standing values."""
    return [one.value for one in register.heads]


def test_sequential_edits_leave_one_head() -> None:
    """An author's next edit, and an edit that has seen it, replace it."""
    register = Register()
    register.edit(head("one", A, 1), seeing(A))
    register.edit(head("two", A, 2), seeing(A))
    register.edit(head("three", B, 1), seeing(B, A=2))
    assert values(register) == ["three"]


def test_concurrent_edits_are_both_kept_until_settled() -> None:
    """Edits that had not seen each other stand side by side; one that has seen both replaces both."""
    register = Register()
    register.edit(head("one", A, 1), seeing(A))
    register.edit(head("two", B, 1), seeing(B))
    assert values(register) == ["one", "two"]
    assert contested(register.heads)
    register.edit(head("three", A, 2), seeing(A, B=1))
    assert values(register) == ["three"]


def test_an_edit_leaves_what_came_after_its_sight() -> None:
    """Deps up to an entry say nothing of later ones of that log."""
    register = Register()
    register.edit(head("one", A, 1), seeing(A))
    register.edit(head("two", A, 3), seeing(A))
    register.edit(head("three", B, 1), seeing(B, A=2))
    assert values(register) == ["two", "three"]


def test_the_holder_goes_first_then_the_latest() -> None:
    """The provisional winner is the value of the home that holds the child, else the last in canonical order."""
    heads = (head("one", A, 5, home="home-01"), head("two", B, 1, home="home-02"))
    assert winner("address", heads, "home-02").value == "two"
    assert winner("address", heads, "").value == "one"


def test_a_withdrawn_edit_revives_only_what_nothing_else_replaced() -> None:
    """Withdrawing the middle of three edits changes nothing; withdrawing the last revives the middle."""
    register = Register()
    for seq, value in enumerate(("one", "two", "three"), 1):
        register.edit(head(value, A, seq), seeing(A))
    assert register.withdraw(head("two", A, 2).id)
    assert values(register) == ["three"]
    assert register.withdraw(head("three", A, 3).id)
    assert values(register) == ["one"]
    assert not register.withdraw(b"nobody")


def test_two_entries_of_one_log_with_one_lamport_have_not_seen_each_other():
    """A county that was put back wrote there twice: a conflict, which whoever names or follows them settles."""
    first = Head(b"1", b"1", b"L" * 16, 4, 3, "", "li", 0, "old")
    sight = Sight(b"L" * 16, {}, {}, lamport=3, id=b"2")
    assert not sight.sees(first)
    assert sight._replace(id=b"1").sees(first)
    assert sight._replace(named=frozenset({b"1"})).sees(first)
    assert sight._replace(lamport=4).sees(first)
