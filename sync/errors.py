"""What can go wrong in the replicated log, one leaf for each party who acts differently on it."""


class SyncError(Exception):
    """Base of everything that this package raises on purpose."""


class RemoteProtocolError(SyncError):
    """The peer, or a file that claims to be ours, said something that the protocol does not allow."""


class UnknownKind(RemoteProtocolError):
    """The peer is of a later version: it sends a kind of message that is not known here and may not be passed over."""

    def __init__(self, kind: int) -> None:
        super().__init__(
            "对方的程序版本较新，这里的程序还看不懂，请先更新这里的程序"
            f" (the other side's program is newer: it sends messages of kind {kind}, which this one does not know;"
            " update this one)"
        )
        self.for_peer = (
            "对方（县里）的程序版本较旧，还看不懂这台电脑发来的内容，请先更新县里的程序"
            f" (the hub's program is older than this one: it does not know messages of kind {kind};"
            " update the hub first)"
        )


class FrameDamaged(RemoteProtocolError):
    """A frame is not what was sent: the line changed it. What is sent again, in smaller frames, may come through."""


class UnreadableForm(RemoteProtocolError):
    """A push is packed with what is not here: a dictionary, or the subject of a stream. In plain form it can be read.

    `start` is the push's, where it could be read.
    """

    def __init__(self, text: str, start: int | None = None) -> None:
        super().__init__(text)
        self.start = start


class VerificationError(SyncError):
    """A proof, signature or commitment does not hold."""


class LocalProtocolError(SyncError):
    """We ourselves used the protocol wrongly: a bug on this side."""


class Unreachable(SyncError):
    """The peer did not answer, or the link was cut. Waiting helps, nothing else."""


class RefusedByPeer(SyncError):
    """The peer understood and said no; the text is its reason, meant for a person."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Diverged(SyncError):
    """The hub has shown that others continued this log behind a size. The node opens another log; see `succession`."""

    def __init__(self, log: bytes, size: int, hub_size: int) -> None:
        super().__init__(f"log {log.hex()} was continued elsewhere behind entry {size}")
        self.log, self.size, self.hub_size = log, size, hub_size


class StaleVersion(SyncError):
    """Somebody wrote to this stream since the writer looked; nothing was stored."""


class LogCorrupt(SyncError):
    """A precious file does not say what it said when it was written. Stop writing; an operator must look."""


class EntryDamaged(LogCorrupt):
    """Header or tree of this entry are not what was written: no log can go on over it. What is before it is whole."""

    def __init__(self, log: bytes, seq: int, why: str) -> None:
        super().__init__(f"entry {seq} of log {log.hex()} is damaged on this disk ({why}): run verify")
        self.log, self.seq, self.why = log, seq, why


class KeyDestroyed(SyncError):
    """The stream's key was destroyed by an erasure, or never came here: its content cannot be read."""


class SubjectErased(SyncError):
    """Nothing more is recorded about a subject whose content was erased here."""


class FileUnknown(SyncError):
    """No photograph or scan of this name is here, or not all of it yet."""


class ErasureUnfinished(SyncError):
    """The content can no longer be read, but old pages of the files could not be cleared yet. Run it again."""


class WrongKey(SyncError):
    """What was given (a key file, a passphrase, an identity) does not open this folder. Nothing is damaged."""


class NoCipher(SyncError):
    """The installed SQLite cannot encrypt, or did not: nothing is opened and nothing is written."""


class NewerFormat(SyncError):
    """The file was written by a newer version of the program."""


class FolderError(SyncError):
    """A data folder is missing, or is not one of ours."""


class FolderInUse(SyncError):
    """Another process has this data folder open for writing."""


class ParkingFull(SyncError):
    """A bundle came too early, and there is no room to keep it until the ones before it come. It was not taken."""
