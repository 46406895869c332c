"""The dictionary that ships is the one that the repository makes."""

from deploy import dictionary
from sync.compression import shipped


def test_the_shipped_dictionary_can_be_made_again():
    """The sample in the repository gives exactly the bytes that ship, whatever random keys the import draws."""
    assert dictionary.make(dictionary.SAMPLE) == shipped()
