"""How a node joins its hub: one request, proved with the node's key and answered under the hub's.

    node -> hub   POST /v1/join {code, kind, secret, public_key, proof}    proof: signature over a tag, secret, key
    hub -> node   {county, proof}                                   proof: signature over another tag, secret, log id

*kind* is "home" or "hub", and must be what the invitation is for: a hub brings others' logs with it, so nobody becomes
one by saying so. The hub's entry that admits the node is durable before the answer. If the answer is lost, the same
request repeats it.
A node without a network encloses the same question in its bundles, and finds the answer in the county's (`sticks`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import aiohttp

from domain.errors import Refused
from node.folder import Kind
from node.invitation import Invitation, digest_of
from sync.client import unreachable
from sync.entry import log_id
from sync.errors import RefusedByPeer, RemoteProtocolError, VerificationError
from sync.note import Signer, is_public_key, verify_bytes

PATH: Final = "/v1/join"
ASK_TAG: Final = b"homeward/join/1\n"
ANSWER_TAG: Final = b"homeward/joined/1\n"
TIMEOUT_S: Final = 30


async def join(url: str, invitation: Invitation, signer: Signer, kind: Kind = "home") -> str:
    """Ask the hub at `url` to admit this node; the county's name.

    Raises:
        Unreachable, RefusedByPeer: as said. VerificationError: who answered is not the hub of the invitation.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
            http.post(url + PATH, json=question_of(invitation, signer, kind)) as response,
        ):
            answer = await response.json()
    except (aiohttp.ContentTypeError, ValueError):
        raise RemoteProtocolError(f"{url} does not answer like a hub: check the address") from None
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(url, error) from None
    match answer:
        case {"refused": str(reason)}:
            raise RefusedByPeer("refused", reason)
    county = read_answer(answer, invitation, signer)
    if county is None:
        raise RemoteProtocolError(f"{url} does not answer like a hub: check the address")
    return county


def question_of(invitation: Invitation, signer: Signer, kind: Kind = "home") -> dict[str, str]:
    """What a node asks."""
    return {
        "code": invitation.code,
        "kind": kind,
        "secret": invitation.secret.hex(),
        "public_key": signer.public_key.hex(),
        "proof": signer.sign_bytes(ASK_TAG + invitation.secret + signer.public_key).hex(),
    }


def read_answer(answer: Any, invitation: Invitation, signer: Signer) -> str | None:
    """The county's name, None for what is no answer; raises VerificationError where it is not that hub's."""
    match answer:
        case {"county": str(county), "proof": str(proof)}:
            signed = ANSWER_TAG + invitation.secret + log_id(signer.public_key)
            try:
                verify_bytes(invitation.hub_key, signed, bytes.fromhex(proof))
            except ValueError:
                raise RemoteProtocolError("the hub's proof is not hex") from None
            return county
    return None


class Question(NamedTuple):
    """Who asks to be admitted, with which invitation's code and secret."""

    code: str
    secret: bytes
    public_key: bytes
    is_hub: bool

    @property
    def digest(self) -> bytes:
        """What the hub remembers of the secret."""
        return digest_of(self.secret)


def read_question(question: Any) -> Question:
    """The hub's side: a request whose proof holds; raises Refused."""
    try:
        code, secret = question["code"], bytes.fromhex(question["secret"])
        public_key, proof = bytes.fromhex(question["public_key"]), bytes.fromhex(question["proof"])
        if not isinstance(code, str) or not is_public_key(public_key):
            raise ValueError("not a key")
        verify_bytes(public_key, ASK_TAG + secret + public_key, proof)
    except (KeyError, TypeError, ValueError, VerificationError, RemoteProtocolError):
        raise Refused(
            "这个请求不完整，请重试", "the request to join is not complete or its proof does not hold"
        ) from None
    return Question(code, secret, public_key, question.get("kind") == "hub")


def answer(county: str, signer: Signer, secret: bytes, public_key: bytes) -> dict[str, str]:
    """The hub's answer to a node that it has admitted."""
    proof = signer.sign_bytes(ANSWER_TAG + secret + log_id(public_key))
    return {"county": county, "proof": proof.hex()}
