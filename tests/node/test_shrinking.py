"""Pictures are stored small, upright and without a word about where and by whom they were taken."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageFilter, PngImagePlugin

from domain.errors import Refused
from node import shrinking
from node.shrinking import JPEG, PDF, PHOTO_SIZE_BYTES_MAX, PIXELS_MAX, SCAN_SIZE_BYTES_MAX, taken

ORIENTATION, GPS, MAKER, MODEL = 0x0112, 0x8825, 0x927C, 0x0110
CANARY = b"canary-lane-7"


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    """What shrinks worst."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))


def scene(width: int, height: int) -> Image.Image:
    """About as much detail as a photograph has: some 2.7 MB for twelve megapixels."""
    return noise(width // 24, height // 24).resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.BLUR)


def jpeg(picture: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def png(picture: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def segments(data: bytes) -> set[int]:
    """The markers of a JPEG up to its first scan."""
    at, found = 2, set()
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        found.add(data[at + 1])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


def test_a_large_photograph_becomes_small():
    """A twelve-megapixel photograph is at most 200 kB, keeps its shape, and is still 1,000 points wide."""
    out, media = taken(jpeg(scene(4000, 3000), quality=95), "a.jpg")
    assert media == JPEG
    assert len(out) <= PHOTO_SIZE_BYTES_MAX
    with Image.open(io.BytesIO(out)) as made:
        assert made.width / made.height == pytest.approx(4 / 3, rel=0.01)
        assert made.width >= 1000


@pytest.mark.parametrize("scan", [False, True])
def test_the_worst_picture_is_within_bounds(scan):
    """Noise, which no compression likes, is within bounds too; a scan may be larger than a photograph."""
    out, _ = taken(jpeg(noise(2600, 2600), quality=98), "a.jpg", scan=scan)
    assert len(out) <= (SCAN_SIZE_BYTES_MAX if scan else PHOTO_SIZE_BYTES_MAX)
    assert len(out) > PHOTO_SIZE_BYTES_MAX or not scan


def test_nothing_but_the_picture_is_taken_over():
    """Place, device, maker's notes, preview, comment, profile and whatever follows the picture stay behind."""
    exif = Image.Exif()
    exif[MODEL] = CANARY.decode()
    exif.get_ifd(GPS)[2] = (30.0, 15.0, 7.5)
    exif.get_ifd(GPS)[29] = CANARY.decode()
    exif.get_ifd(0x8769)[MAKER] = CANARY
    original = jpeg(scene(800, 600), exif=exif, comment=CANARY, icc_profile=CANARY * 9, dpi=(72, 72)) + CANARY
    assert original.count(CANARY) >= 5
    out, _ = taken(original, "a.jpg")
    assert CANARY not in out
    assert segments(out) <= {0xE0, 0xDB, 0xC0, 0xC4}
    with Image.open(io.BytesIO(out)) as made:
        assert not made.getexif()
        assert made.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_words_in_a_png_stay_behind():
    """Text chunks and EXIF of a PNG are left behind."""
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", CANARY.decode())
    words.add_itxt("Location", CANARY.decode(), zip=False)
    original = png(scene(400, 300), pnginfo=words)
    assert CANARY in original
    assert CANARY not in taken(original, "a.png")[0]


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_photograph_stands_upright(turned):
    """However the phone was held, the red corner is where it was seen."""
    seen = Image.new("RGB", (300, 200), "blue")
    seen.paste("red", (0, 0, 60, 60))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = seen.transpose(Image.Transpose(back[turned])) if turned > 1 else seen
    exif = Image.Exif()
    exif[ORIENTATION] = turned
    out, _ = taken(jpeg(stored, exif=exif, quality=95), "a.jpg")
    with Image.open(io.BytesIO(out)) as made:
        assert made.size == (300, 200)
        assert made.getpixel((30, 30))[0] > 200
        assert made.getpixel((270, 30))[2] > 200
        assert made.getpixel((30, 170))[2] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_keeps_its_grey(mode):
    """Black and white, grey, palette, see-through and 16-bit pictures come out as a grey middle on white."""
    grey = Image.new("L", (90, 90), 128)
    if mode == "I;16":
        picture = Image.new("I;16", (90, 90), 128 * 256)
    elif mode in ("LA", "RGBA"):
        picture = grey.convert(mode)
        picture.paste((0,) * len(mode), (0, 0, 90, 20))
    else:
        picture = grey.convert(mode)
    out, _ = taken(png(picture), "a.png")
    with Image.open(io.BytesIO(out)) as made:
        middle = made.convert("L").resize((1, 1), box=(30, 40, 60, 70)).getpixel((0, 0))
        assert middle == pytest.approx(128, abs=4)
        if mode in ("LA", "RGBA"):
            assert made.convert("L").getpixel((45, 8)) > 240


def test_colours_of_print_are_read():
    """A CMYK JPEG, as some scanners write it, comes out in its colour."""
    out, _ = taken(jpeg(Image.new("RGB", (90, 90), (250, 10, 10)).convert("CMYK")), "a.jpg")
    with Image.open(io.BytesIO(out)) as made:
        red, green, blue = made.getpixel((45, 45))
        assert red > 200
        assert max(green, blue) < 60


def bomb(width: int, height: int) -> bytes:
    """A PNG of some kilobytes that says it has so many points."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = piece(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + piece(b"IDAT", zlib.compress(bytes(100_000))) + piece(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 8001), (60_000, 60_000), (PIXELS_MAX, 1), (2**31 - 1, 1), (31_000, 1)])
def test_a_picture_that_is_too_large_is_refused_before_it_is_opened(size):
    """A small file that would fill the memory is refused by what it says of itself."""
    with pytest.raises(Refused) as refusal:
        taken(bomb(*size), "a.png")
    assert "too large" in refusal.value.en
    assert "太大" in refusal.value.zh


def test_words_that_unpack_to_too_much():
    """A PNG whose text or profile unpacks to hundreds of megabytes is refused, or its words are not unpacked."""
    words = PngImagePlugin.PngInfo()
    words.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(300_000_000)))
    words.add(b"iCCP", b"p\0\0" + zlib.compress(bytes(100_000_000)))
    with pytest.raises(Refused):
        taken(png(scene(80, 80), pnginfo=words), "a.png")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"GIF89a" + bytes(100),
        b"RIFF\x20\0\0\0WEBPVP8 " + bytes(40),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        random.Random(1).randbytes(5000),
    ],
)
def test_what_is_no_picture_is_refused(data):
    """Bytes that are no JPEG or PNG are refused with the file's name."""
    with pytest.raises(Refused) as refusal:
        taken(data, "somewhere/a.jpg")
    assert "somewhere/a.jpg" in refusal.value.en
    assert "已损坏" in refusal.value.zh


def test_half_a_photograph_is_refused():
    """A copy that was cut short is not stored as a picture with a grey half."""
    whole = jpeg(scene(1200, 900), quality=90)
    for part in (0.05, 0.3, 0.6, 0.97):
        with pytest.raises(Refused):
            taken(whole[: int(len(whole) * part)], "a.jpg")


def test_damage_anywhere_is_a_picture_or_a_refusal():
    """Whatever bytes are changed, the outcome is a clean picture or a refusal, never another failure."""
    dice = random.Random(3)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    refused = 0
    for whole in (jpeg(scene(320, 240), exif=exif), png(scene(320, 240).convert("P"))):
        for _ in range(300):
            harmed = bytearray(whole)
            for _ in range(dice.randrange(1, 6)):
                harmed[dice.randrange(len(harmed) if dice.random() < 0.5 else 200)] = dice.randrange(256)
            try:
                assert len(taken(bytes(harmed), "a")[0]) <= PHOTO_SIZE_BYTES_MAX
            except Refused:
                refused += 1
    assert 0 < refused < 600


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_a_picture_of_an_iphone_is_refused_in_a_workers_words(brand):
    """HEIC is named, and the way out with it."""
    with pytest.raises(Refused) as refusal:
        taken(b"\0\0\0\x18ftyp" + brand + bytes(100), "IMG_1.HEIC")
    assert "兼容性最佳" in refusal.value.zh
    assert "Most Compatible" in refusal.value.en


def test_a_paper_as_pdf():
    """A PDF is a scan, whole and at most 2 MB; otherwise it is refused with what to do."""
    pdf = b"%PDF-1.7\n" + bytes(1000) + b"\n%%EOF\n"
    assert taken(pdf, "a.pdf", scan=True) == (pdf, PDF)
    for data, scan, says in (
        (pdf, False, "--scan"),
        (pdf[:-10], True, "not whole"),
        (b"%PDF-1.7\n" + bytes(2_000_000) + b"%%EOF", True, "larger than 2 MB"),
    ):
        with pytest.raises(Refused, match=says):
            taken(data, "a.pdf", scan=scan)


def test_a_file_that_is_none(tmp_path):
    """A missing file, a folder, and one that is far too large are refused by name."""
    (tmp_path / "huge").write_bytes(bytes(shrinking.INPUT_SIZE_BYTES_MAX + 1))
    for name in ("nothing", ".", "huge"):
        with pytest.raises(Refused, match=str(tmp_path / name)):
            shrinking.load(tmp_path / name)
