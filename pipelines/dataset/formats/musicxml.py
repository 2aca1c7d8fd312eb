"""From the bytes of a MusicXML score to the NoteSequence that note-seq makes of it, with bombs refused."""

from __future__ import annotations

import contextlib
import io
import pathlib
import tempfile
import zipfile
from xml.parsers import expat

from pipelines.dataset.formats.midi import first_line, note_seq  # Imported there without its noise.

MAX_BYTES = 64 << 20  # Unpacked.
_SPOKEN = (note_seq.MusicXMLConversionError, OSError, ValueError, RuntimeError, zipfile.BadZipFile)  # Have a text.


def read_musicxml(data: bytes, name: str) -> note_seq.NoteSequence:
    """Parses a MusicXML score with note-seq, which keeps a part's MIDI channel as instrument and marks no drums.

    Args:
        data: The file.
        name: The file's name. One that ends in ".mxl" is a compressed score, any other one is plain XML.

    Raises:
        ValueError: it is not MusicXML, or damaged, or could take up all memory.
    """
    suffix = ".mxl" if name.lower().endswith(".mxl") else ".xml"
    try:
        harmless = _repacked(data) if suffix == ".mxl" else _checked_xml(data)
        with tempfile.TemporaryDirectory(prefix="musicxml-") as folder:
            path = pathlib.Path(folder, f"score{suffix}")
            path.write_bytes(harmless)
            return note_seq.musicxml_file_to_sequence_proto(str(path))
    except Exception as error:  # The parsers raise nearly everything.
        reason = f"not a score as MusicXML has it: {error!r}"[:120]
        if isinstance(error, _SPOKEN):
            reason = first_line(error)
        raise ValueError(f"unreadable MusicXML: {reason}") from error


def _checked_xml(xml: bytes) -> bytes:
    """Returns `xml` if it is safe to parse. The usual DOCTYPE, which names an external DTD, is: nothing fetches it.

    Raises:
        ValueError: it is too large, or defines entities, a few of which can fill any memory.
    """

    def refuse(*_: object) -> None:
        raise ValueError("its DTD defines entities; a score without them is needed")

    _refuse_size(len(xml))
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    with contextlib.suppress(expat.ExpatError):  # No XML, or broken after what could do harm: note-seq will say so.
        parser.Parse(xml, True)
    return xml


def _refuse_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES >> 20} MiB, unpacked")


def _repacked(mxl: bytes) -> bytes:
    """Returns a compressed score as a zip file without compression, all of its files checked.

    Raises:
        ValueError: as `_checked_xml`, all files taken together.
        zipfile.BadZipFile: it is damaged.
    """
    num_bytes = 0
    plain = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(mxl)) as packed, zipfile.ZipFile(plain, "w") as unpacked:
        for info in packed.infolist():
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("its compression is none of MusicXML's")  # Nor one that zipfile reads in portions.
            with packed.open(info) as file:
                # A limit to each read, because the sizes that a zip file declares can be wrong.
                data = file.read(MAX_BYTES + 1 - num_bytes)
            num_bytes += len(data)
            _refuse_size(num_bytes)
            unpacked.writestr(_utf8_name(info), _checked_xml(data))
    return plain.getvalue()


def _utf8_name(info: zipfile.ZipInfo) -> str:
    """Returns the file's name as note-seq takes it: as UTF-8, also where nothing marks it as such."""
    return info.filename if info.flag_bits & 0x800 else info.filename.encode("cp437").decode("utf-8", "replace")
