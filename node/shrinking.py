"""Pictures as they come from a phone or scanner, made small and clean: what is stored is always made anew here.

A photograph becomes a JPEG of at most 200 kB, turned upright, a scan one of at most 1 MB so that handwriting stays
readable; a PDF stays as it is, up to 2 MB. Only the points of a picture are taken over. What a camera writes beside
them (place, time, device, a small preview, comments) is left behind, for it tells where a child lives.

What somebody sends in may be made to harm. So only JPEG and PNG are opened, whose size is known before memory is taken
for them; more than `PIXELS_MAX` is refused, and every failure inside the decoder becomes one sentence for the worker.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from domain.errors import Refused
from sync.file_form import FILE_SIZE_BYTES_MAX

PHOTO_SIZE_BYTES_MAX: Final = 200_000
SCAN_SIZE_BYTES_MAX: Final = 1_000_000
PDF_SIZE_BYTES_MAX: Final = FILE_SIZE_BYTES_MAX
INPUT_SIZE_BYTES_MAX: Final = 50_000_000
PIXELS_MAX: Final = 64_000_000  # the largest that phones of these years take; 200 MB while it is opened
SIDE_MAX: Final = 30_000
PHOTO_SIDES: Final = (1600, 1280, 1024, 800, 640, 480)
SCAN_SIDES: Final = (2480, 2048, 1600, 1280, 1024)
QUALITIES: Final = (85, 75, 65, 55)

JPEG: Final = "image/jpeg"
PDF: Final = "application/pdf"

# Pillow looks at the size only to warn, and after some formats have taken their memory; we look first.
Image.MAX_IMAGE_PIXELS = None


def load(path: Path, *, scan: bool = False) -> tuple[bytes, str]:
    """A picture's file as it is to be stored: content and media type; raises Refused."""
    try:
        with path.open("rb") as file:
            data = file.read(INPUT_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"打不开文件 {path}", f"{path} cannot be opened: {error.strerror}") from None
    return taken(data, str(path), scan=scan)


def taken(data: bytes, what: str, *, scan: bool = False) -> tuple[bytes, str]:
    """The same for bytes at hand; `what` names them in a refusal."""
    if len(data) > INPUT_SIZE_BYTES_MAX:
        limit = INPUT_SIZE_BYTES_MAX // 1_000_000
        raise Refused(f"{what} 太大，不能超过 {limit} MB", f"{what} is larger than {limit} MB")
    if data.startswith(b"%PDF-"):
        return _pdf(data, what, scan=scan), PDF
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif"):
        raise Refused(
            f"{what} 是 HEIC 格式，打不开。请在手机相机设置里选“兼容性最佳”重拍，或先另存为 JPEG",
            f"{what} is a HEIC picture, which cannot be opened here: set the phone's camera to 'Most Compatible', "
            "or save it as JPEG first",
        )
    bound = SCAN_SIZE_BYTES_MAX if scan else PHOTO_SIZE_BYTES_MAX
    return shrink(data, what, SCAN_SIDES if scan else PHOTO_SIDES, bound), JPEG


def shrink(data: bytes, what: str, sides: tuple[int, ...], size_bytes_max: int) -> bytes:
    """A JPEG of at most so many bytes that shows the same upright and says nothing else; raises Refused."""
    picture = _opened(data, what, sides[0])
    for side in sides:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= size_bytes_max:
                return out.getvalue()
    raise Refused(f"{what} 无法缩小到规定大小", f"{what} cannot be made as small as {size_bytes_max} bytes")


def _opened(data: bytes, what: str, side: int) -> Image.Image:
    """The picture's points, upright, without anything else that was in the file."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as found:
            width, height = found.size
            if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX:
                raise Refused(
                    f"{what} 有 {width}×{height} 个像素，太大。请用相机的普通尺寸重拍",
                    f"{what} has {width} by {height} points, which is too large: use the camera's ordinary size",
                )
            found.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded at a fraction of its size where that is enough
            found.load()
            upright = ImageOps.exif_transpose(found)
            return _clean(upright)
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, struct.error, KeyError, TypeError,
            AttributeError, IndexError, ZeroDivisionError, MemoryError) as error:  # fmt: skip
        raise Refused(
            f"{what} 打不开：文件已损坏，或不是 JPEG、PNG 图片",
            f"{what} cannot be opened: it is damaged, or no JPEG or PNG picture ({type(error).__name__})",
        ) from None


def _clean(picture: Image.Image) -> Image.Image:
    """A new picture with the same points, on white where one could see through; no field of the old one comes along."""
    clean = Image.new("RGB", picture.size, "white")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        clean.paste(seen, mask=seen.getchannel("A"))
    elif picture.mode.startswith("I"):  # 16 bits a point: taken as they are they would all be white
        clean.paste(picture.convert("I").point(lambda value: value / 256).convert("L"))
    else:
        clean.paste(picture.convert("RGB"))
    return clean


def _pdf(data: bytes, what: str, *, scan: bool) -> bytes:
    if not scan:
        raise Refused(f"{what} 是 PDF 文件，请加 --scan", f"{what} is a PDF: take it in with --scan")
    if len(data) > PDF_SIZE_BYTES_MAX:
        limit = PDF_SIZE_BYTES_MAX // 1_000_000
        raise Refused(
            f"{what} 超过 {limit} MB，请用较低的分辨率重新扫描",
            f"{what} is larger than {limit} MB: scan it again with fewer points",
        )
    if b"%%EOF" not in data[-2048:]:
        raise Refused(f"{what} 不完整，请重新扫描或复制", f"{what} is not whole: scan or copy it again")
    return data
