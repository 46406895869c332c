"""Errors become exit codes and one sentence, once."""

import apsw
import pytest

from domain.errors import BadField, Refused
from node import exits
from node.clock import rfc3339, system_clock
from node.invitation import BadInvitation, NotLoopback
from node.service import parse_listen
from node.web import age, day, moment
from sync import errors
from sync.database import OutcomeUnknown


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("不行", "no"), 6),
        (BadField("f", 1, "2"), 6),
        (BadInvitation("x"), 6),
        (NotLoopback("x"), 6),
        (errors.RefusedByPeer("fork", "a fork"), 6),
        (errors.RemoteProtocolError("odd"), 6),
        (errors.FolderInUse("in use"), 3),
        (errors.NewerFormat("newer"), 7),
        (errors.LogCorrupt("damaged"), 4),
        (errors.WrongKey("not its key"), 6),
        (errors.NoCipher("no cipher"), 6),
        (errors.FolderError("missing"), 2),
        (errors.Unreachable("nobody"), 5),
        (errors.VerificationError("false"), 1),
        (OutcomeUnknown("unknown"), 4),
        (apsw.FullError("full"), 4),
        (apsw.CorruptError("corrupt"), 4),
        (apsw.NotADBError("not a db"), 4),
        (apsw.IOError("io"), 4),
        (apsw.BusyError("busy"), 3),
        (apsw.ReadOnlyError("ro"), 4),
        (OSError(28, "No space left on device", "exchange.json"), 4),
        (PermissionError(13, "Permission denied", "config.json"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_code(capsys, error, code):
    """Every error that is raised on purpose ends with its own code and one line."""

    def fail():
        raise error

    assert exits.run(fail) == code
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_our_own_mistakes_are_not_hidden():
    """An error that nobody foresaw is a traceback, not a code that means something else."""
    with pytest.raises(ZeroDivisionError):
        exits.run(lambda: 1 // 0)
    with pytest.raises(errors.LocalProtocolError):
        exits.run(lambda: (_ for _ in ()).throw(errors.LocalProtocolError("a bug")))


def test_a_command_s_own_code_is_kept():
    """What a command returns is the exit code."""
    assert [exits.run(lambda code=code: code) for code in (0, 1, 6)] == [0, 1, 6]


def test_the_clock_can_be_shifted(monkeypatch):
    """HOMEWARD_CLOCK_OFFSET_S shifts this process's idea of the time; nonsense is refused."""
    monkeypatch.delenv("HOMEWARD_CLOCK_OFFSET_S", raising=False)
    right = system_clock()
    monkeypatch.setenv("HOMEWARD_CLOCK_OFFSET_S", "-86400.5")
    assert abs(right() - system_clock()() - 86_400_500) < 5000
    for text in ("soon", "nan", "inf", ""):
        monkeypatch.setenv("HOMEWARD_CLOCK_OFFSET_S", text)
        with pytest.raises(SystemExit):
            system_clock()


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_725_148_800_123, "2024-09-01T00:00:00.123Z"), (10**18, f"{10**18} ms")],
)
def test_instants_as_text(at_ms, text):
    """RFC 3339 in UTC, and something readable even for what is no instant."""
    assert rfc3339(at_ms) == text


@pytest.mark.parametrize(("text", "found"), [("127.0.0.1:0", ("127.0.0.1", 0)), (":8101", ("127.0.0.1", 8101)),
                                             ("[::1]:9", ("::1", 9)), ("localhost:1", ("localhost", 1))])  # fmt: skip
def test_where_to_listen(text, found):
    """HOST:PORT, the host loopback."""
    assert parse_listen(text) == found


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "0.0.0.0:1"])
def test_where_not_to_listen(text):
    """Anything else is refused."""
    with pytest.raises(Refused):
        parse_listen(text)


def test_dates_as_workers_read_them():
    """Pages say dates and times in Chinese, in China's time, and a dash for what is not known."""
    import datetime as dt

    assert (day("2024-09-01"), day(None), day("soon")) == ("2024年9月1日", "—", "soon")
    assert (moment(0), moment(None)) == ("1970年1月1日 08:00", "从未")
    on = dt.date(2024, 9, 1)
    assert [age(born, on) for born in ("2014-09-01", "2014-09-02", None, "?")] == [10, 9, None, None]
