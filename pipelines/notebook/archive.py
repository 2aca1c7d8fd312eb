"""Everything that was made, in one zip, to be downloaded."""

from __future__ import annotations

import html
import os
import pathlib
import shutil
import urllib.parse
import zipfile

from IPython.display import HTML, display

from pipelines.files import atomic
from pipelines.notebook import colab

STORED_TIME = (1980, 1, 1, 0, 0, 0)  # Of every file, a zip's earliest: the same files give the same bytes.


def pack(folder: pathlib.Path, zip_path: pathlib.Path) -> pathlib.Path:
    """Writes all files of a folder and of those below it into a zip, in a folder of its name; hidden ones are left out.

    Raises:
        OSError: a file cannot be read, or the zip cannot be written.
        ValueError: there are no files.
    """
    inside = {path: path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()}
    names = {path: name for path, name in inside.items() if not any(part.startswith(".") for part in name.parts)}
    if not names:
        raise ValueError(f"{folder}: nothing to pack yet; run the cells above first")
    with atomic.replacing(zip_path) as partial, zipfile.ZipFile(partial, "w") as packed:
        for path, name in names.items():
            info = zipfile.ZipInfo((pathlib.PurePath(zip_path.stem) / name).as_posix(), STORED_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with path.open("rb") as file, packed.open(info, "w") as target:
                shutil.copyfileobj(file, target)
    print(f"{zip_path}: {len(names)} files, {zip_path.stat().st_size / 1e6:.1f} MB")
    return zip_path


def offer(path: pathlib.Path, opened_in: str | os.PathLike[str]) -> None:
    """Has the browser download a file on Colab; elsewhere shows a link, which counts from the notebook's own folder.

    Args:
        path: The file.
        opened_in: The folder that the notebook was opened in, IPython's `_dh[0]`.
    """
    if colab.is_here():
        colab.download(path)
    else:
        link = urllib.parse.quote(pathlib.Path(os.path.relpath(path, opened_in)).as_posix())
        display(HTML(f'<a href="{link}" download>{html.escape(path.name)}</a>'))
