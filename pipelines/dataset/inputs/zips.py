"""The files of a zip, read one by one without unpacking it; what is dangerous in it is refused by name."""

from __future__ import annotations

import bz2
import dataclasses
import itertools
import lzma
import pathlib
import re
import stat
import struct
import zipfile
import zlib

from pipelines.dataset.inputs.names import Names
from pipelines.dataset.inputs.source import Files, Unreadable, is_wanted
from pipelines.files.midi_files import is_hidden

MAX_RATIO = 200  # Groove's info.csv unpacks to 10 times its size; a bomb to a thousand times.
MAX_UNSUSPICIOUS_BYTES = 2**20  # Below, no ratio does harm.
_LOCAL_HEADER_BYTES = 30
_LOCAL_HEADER_MAGIC = b"PK\3\4"
_ENCRYPTED = 0x1  # Bit of ZipInfo.flag_bits.


@dataclasses.dataclass(frozen=True)
class InZip:
    """A file in the zip `path`; `info` is its entry in the zip's directory, all of which may be wrong."""

    path: str
    info: zipfile.ZipInfo

    def read(self, max_bytes: int) -> bytes:
        """Returns the file's bytes.

        Raises:
            OSError: the zip cannot be read.
            ValueError: the file is damaged, or larger than `max_bytes`, or seems to be a bomb.
        """
        size, packed_size = self.info.file_size, self.info.compress_size
        if max(size, packed_size) > max_bytes:
            raise ValueError(f"larger than {max_bytes >> 20} MiB")
        if size > max(MAX_UNSUSPICIOUS_BYTES, MAX_RATIO * packed_size):
            raise ValueError(f"unpacks to more than {MAX_RATIO} times its size; no MIDI does")
        content = _unpack(self._packed(), size, self.info.compress_type)
        if len(content) != size:
            raise ValueError("damaged in the zip (it unpacks to another size than the zip says)")
        if zlib.crc32(content) != self.info.CRC:
            raise ValueError("damaged in the zip (wrong checksum)")
        return content

    def _packed(self) -> bytes:
        with pathlib.Path(self.path).open("rb") as file:
            file.seek(self.info.header_offset)
            header = file.read(_LOCAL_HEADER_BYTES)
            if len(header) < _LOCAL_HEADER_BYTES or not header.startswith(_LOCAL_HEADER_MAGIC):
                raise ValueError("damaged in the zip (its header is not where the zip says)")
            file.seek(sum(struct.unpack("<HH", header[-4:])), 1)  # Its name and extra field.
            return file.read(self.info.compress_size)


def _unpack(packed: bytes, size: int, method: int) -> bytes:
    """Returns what was packed, but one byte more than `size` at most, which shows that there are more."""
    if method == zipfile.ZIP_STORED:
        return packed
    try:
        if method == zipfile.ZIP_DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        if method == zipfile.ZIP_BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, size + 1)
        if method == zipfile.ZIP_LZMA:  # Two bytes of version, two of the properties' size, five properties.
            packed = packed[4:9] + struct.pack("<Q", size) + packed[9:]
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(packed, size + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:  # bz2 raises OSError.
        raise ValueError(f"damaged in the zip ({error})") from error
    name = zipfile.compressor_names.get(method, method)
    raise ValueError(f"cannot be unpacked (compressed by {name}); pack the zip anew with deflate")


def list_files(path: pathlib.Path) -> Files:
    """Lists the files to convert, and their tables, in a zip; those that must not be read say why when they are.

    Raises:
        ValueError: it is no zip, or a broken one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except Exception as error:  # A broken directory makes zipfile raise BadZipFile, struct.error, ValueError …
        raise ValueError(
            f"{path}: neither a folder nor a readable zip ({error}); download it again, or give the unpacked folder"
        ) from error
    overlapping = _overlapping(infos)
    location_by_name, repeated = {}, {}
    for info in infos:
        name = _name(info.filename)
        parts = name.split("/")
        if info.is_dir() or not is_wanted(parts[-1]) or any(is_hidden(part) and part != ".." for part in parts):
            continue
        if name in location_by_name:
            repeated[name] = "several times in the zip, of which the last one counts"
        refused = _reason_to_refuse(info, name, info.header_offset in overlapping)
        location_by_name[name] = Unreadable(refused) if refused else InZip(str(path), info)
    return Files(Names(sorted(location_by_name)), location_by_name.__getitem__, repeated)


def _name(filename: str) -> str:
    """Returns a member's path with forward slashes, which some programs on Windows do not write."""
    name = filename.replace("\\", "/")
    root = "/" if name.startswith("/") else ""
    return root + "/".join(part for part in name.split("/") if part not in ("", "."))


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Returns the offsets of the members that reach into the next: how a small zip unpacks to petabytes."""
    infos = sorted(infos, key=lambda info: info.header_offset)
    return {
        info.header_offset
        for info, following in itertools.pairwise(infos)
        if info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size > following.header_offset
    }


def _reason_to_refuse(info: zipfile.ZipInfo, name: str, overlaps: bool) -> str:
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "refused: an absolute path in the zip"
    if ".." in name.split("/"):
        return "refused: a path that leads out of the zip"
    if info.flag_bits & _ENCRYPTED:
        return "refused: encrypted; unpack it with its password, and give the folder"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "refused: a link, which is followed in folders alone; unpack the zip, and give the folder"
    if overlaps:
        return "refused: it overlaps another file of the zip"
    return ""
