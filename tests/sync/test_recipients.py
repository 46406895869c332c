"""A node's age recipient and identity follow from its log's key."""

from hypothesis import given
from hypothesis import strategies as st
from pyrage import decrypt, encrypt

from sync.note import Signer
from sync.recipients import identity_of, recipient_of


@given(st.binary(min_size=32, max_size=32))
def test_what_is_encrypted_to_a_public_key_is_opened_by_its_seed(seed):
    """age itself reads both forms, finds that they belong together, and opens with the one what the other closed."""
    recipient, identity = recipient_of(Signer("homeward/x", seed).public_key), identity_of(seed)
    assert str(identity.to_public()) == str(recipient)
    assert decrypt(encrypt(b"content", [recipient]), [identity]) == b"content"
