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
from collections.abc import Callable

from pipelines.dataset.inputs.locations import Files
from pipelines.files.midi_files import is_hidden

MAX_RATIO = 200  # Groove's info.csv unpacks to 10 times its size; a bomb to a thousand times.
MAX_UNSUSPICIOUS_BYTES = 2**20  # Below, no ratio does harm.
_LOCAL_HEADER_BYTES = 30
_LOCAL_HEADER_MAGIC = b"PK\3\4"
_ENCRYPTED = 0x1  # Bit of ZipInfo.flag_bits.
_DECOMPRESSORS: dict[int, Callable] = {
    zipfile.ZIP_DEFLATED: lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    zipfile.ZIP_BZIP2: bz2.BZ2Decompressor,
}


@dataclasses.dataclass(frozen=True, slots=True)
class InZip:
    """Where a file lies in a zip.

    Attributes:
        path: The zip.
        header_offset: Where the file's own header begins, in bytes.
        compressed_bytes: Its size in the zip.
        size: Its size unpacked, as the zip declares it.
        method: How it is compressed, zipfile's constants.
        checksum: CRC-32 of the file.
        refused: Why it is not read; empty where it is.
    """

    path: str
    header_offset: int
    compressed_bytes: int
    size: int
    method: int
    checksum: int
    refused: str

    def read(self, max_bytes: int) -> bytes:
        """Returns the file's bytes.

        Raises:
            OSError: the zip cannot be read.
            ValueError: the file is refused, damaged, or larger than `max_bytes`.
        """
        if self.refused:
            raise ValueError(self.refused)
        if max(self.size, self.compressed_bytes) > max_bytes:
            raise ValueError(f"larger than {max_bytes >> 20} MiB")
        if self.size > max(MAX_UNSUSPICIOUS_BYTES, MAX_RATIO * self.compressed_bytes):
            raise ValueError(f"unpacks to more than {MAX_RATIO} times its size; no MIDI does")
        content = self._unpack(self._packed())
        if len(content) != self.size:
            raise ValueError("damaged in the zip (it unpacks to another size than the zip says)")
        if zlib.crc32(content) != self.checksum:
            raise ValueError("damaged in the zip (wrong checksum)")
        return content

    def _packed(self) -> bytes:
        with pathlib.Path(self.path).open("rb") as file:
            file.seek(self.header_offset)
            header = file.read(_LOCAL_HEADER_BYTES)
            if len(header) < _LOCAL_HEADER_BYTES or not header.startswith(_LOCAL_HEADER_MAGIC):
                raise ValueError("damaged in the zip (its header is not where the zip says)")
            file.seek(sum(struct.unpack("<HH", header[-4:])), 1)  # Its name and extra field.
            return file.read(self.compressed_bytes)

    def _unpack(self, packed: bytes) -> bytes:
        if self.method == zipfile.ZIP_STORED:
            return packed
        try:
            if self.method == zipfile.ZIP_LZMA:  # Two bytes of version, two of the properties' size, five properties.
                decompressor = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
                packed = packed[4:9] + struct.pack("<Q", self.size) + packed[9:]
            elif self.method in _DECOMPRESSORS:
                decompressor = _DECOMPRESSORS[self.method]()
            else:
                name = zipfile.compressor_names.get(self.method, self.method)
                raise ValueError(f"cannot be unpacked (compressed by {name}); pack the zip anew with deflate")
            return decompressor.decompress(packed, self.size + 1)  # One more byte shows that there are more.
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:  # bz2 raises OSError.
            raise ValueError(f"damaged in the zip ({error})") from error


def list_files(path: pathlib.Path, is_wanted: Callable[[str], bool]) -> Files:
    """Lists the files of a zip; those that must not be read are listed too, and say why when they are.

    Args:
        path: The zip.
        is_wanted: Tells by a file's name, without its folders, whether to list it.

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
        *folders, last = name.split("/")
        if info.is_dir() or not is_wanted(last) or any(is_hidden(part) and part != ".." for part in [*folders, last]):
            continue
        if name in location_by_name:
            repeated[name] = "several times in the zip, of which the last one counts"
        location_by_name[name] = InZip(
            str(path),
            info.header_offset,
            info.compress_size,
            info.file_size,
            info.compress_type,
            info.CRC,
            _reason_to_refuse(info, name, info.header_offset in overlapping),
        )
    return Files(tuple(sorted(location_by_name)), location_by_name.__getitem__, repeated)


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
