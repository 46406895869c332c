"""What the shells of an exchange do with the store for `file_transfer`: offers and chunks out, offers and chunks in."""

from __future__ import annotations

from sync.errors import KeyDestroyed, RemoteProtocolError, SubjectErased
from sync.file_form import offer_text
from sync.file_transfer import GONE, TakeChunk, TakeOffer
from sync.files import Files
from sync.messages import Bring, Chunk, Declined, Holds, Offer
from sync.note import sign
from sync.stored_log import StoredLog


def offer_of(store: StoredLog, name: bytes) -> Offer:
    """A file of this node as it is offered, signed. Raises KeyDestroyed or LogCorrupt where it cannot be sent."""
    file = store.files.find(name)
    if file is None:
        raise KeyDestroyed("this photograph was erased meanwhile")
    subjects = tuple(store.files.subjects(file))
    key = store.files.key(file)
    return Offer(file.manifest, key, subjects, sign(store.signer, offer_text(store.log, name, subjects)))


def passed_on(store: StoredLog, log: bytes, name: bytes) -> Offer:
    """A file as it is offered in an exchange about a log: this node's own, or as the log's own node signed it."""
    return offer_of(store, name) if log == store.log else brought_of(store, name, 1).offer


def brought_of(store: StoredLog, name: bytes, number: int) -> Bring:
    """A peer's file as it is offered on, under its own node's signature. Raises KeyDestroyed or LogCorrupt."""
    file = store.files.find(name)
    offered = store.files.offered(file) if file is not None else None
    if file is None or offered is None:
        raise KeyDestroyed("this photograph was erased meanwhile, or is not known as its node offered it")
    offer = Offer(file.manifest, store.files.key(file), offered.subjects, offered.signature)
    return Bring(number, store.branch(offered.log).public_key, offer)


def chunk_of(store: StoredLog, name: bytes, number: int) -> Chunk:
    """A chunk as it is sent. Raises KeyDestroyed or LogCorrupt where it cannot be."""
    file = store.files.find(name)
    if file is None:
        raise KeyDestroyed("this photograph was erased meanwhile")
    return Chunk(name, number, store.files.chunk(file, number))


def keep(files: Files, log: bytes, effect: TakeOffer | TakeChunk, now_ms: int) -> Holds | Declined:
    """Perform what a receiver decided, durably; what to answer then. Blocks until it is on the disk."""
    try:
        match effect:
            case TakeOffer(offer):
                name = offer.name
                held = files.begin(log, offer.manifest, offer.key, offer.subjects, now_ms, offer.signature)
                return Holds(name, held)
            case TakeChunk((name, number, sealed)):
                return Holds(name, files.extend(name, number, sealed))
    except (KeyDestroyed, SubjectErased) as error:
        return Declined(name, GONE, str(error))
    except RemoteProtocolError as error:
        return Declined(name, "unfit", str(error)[:500])
