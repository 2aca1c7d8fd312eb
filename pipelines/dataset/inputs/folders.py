"""The files of a folder and of all folders below it, links followed, each file once.

Paths are text, which keeps names that are no UTF-8 and takes a fraction of the memory of as many `Path`s.
"""

# ruff: noqa: PTH110, PTH112, PTH113, PTH118, PTH119

from __future__ import annotations

import os
import pathlib

from pipelines.dataset.inputs.source import Files, InFolder, Location, Unreadable, is_wanted
from pipelines.files.midi_files import is_hidden, printable


def list_files(root: pathlib.Path) -> Files:
    """Lists the files to convert, and their tables, below a folder; raises OSError where itself it cannot be read.

    Links are followed after all that is no link, so that a file goes by its own name where it has one; what a link
    leads to a second time is left out and named. A link that leads nowhere is listed: reading it says why.
    """
    walk = _Walk(str(root))
    os.scandir(root).close()
    walk.add_folder("", walk.real_root)
    while walk.links:
        links, walk.links = sorted(walk.links), []
        for link in links:
            walk.follow(link)
    path_by_name = {printable(path): path for path in walk.files}
    odd = {name: path for name, path in path_by_name.items() if name != path}
    errors = {printable(path): reason for path, reason in walk.unreadable.items()}

    def locate(name: str) -> Location:
        return Unreadable(errors[name]) if name in errors else InFolder(os.path.join(root, odd.get(name, name)))

    return Files(tuple(sorted([*path_by_name, *errors])), locate, walk.repeated)


class _Walk:
    """Collects the files below a folder. Paths are the file system's own, relative to it; those of folders end in /."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.files: list[str] = []
        self.links: list[str] = []
        self.repeated: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._first_by_real: dict[str, str] = {}

    def add_folder(self, path: str, real: str) -> None:
        """Adds a folder's files and those of the folders below it; links in them are kept for later."""
        waiting = [(path, real)]
        while waiting:
            path, real = waiting.pop()
            if not self._is_new(path, real):
                continue
            for entry in self._entries(path):
                below, real_below = path + entry.name, os.path.join(real, entry.name)
                if is_hidden(entry.name):
                    continue
                if entry.is_symlink():
                    self.links.append(below)
                elif entry.is_dir():
                    waiting.append((f"{below}/", real_below))
                elif entry.is_file() and is_wanted(entry.name):
                    self._add_file(below, real_below)

    def follow(self, link: str) -> None:
        """Adds what a link leads to."""
        path = os.path.join(self.root, link)
        is_there = os.path.exists(path)
        real = os.path.realpath(path) if is_there else path
        if os.path.isdir(real):
            if f"{self.real_root}/".startswith(f"{real.rstrip('/')}/"):
                self.repeated[printable(f"{link}/")] = "a link to a folder that it lies in"
            else:
                self.add_folder(f"{link}/", real)
        elif is_wanted(os.path.basename(link)) and (os.path.isfile(real) or not is_there):
            self._add_file(link, real)

    def _entries(self, path: str) -> list[os.DirEntry]:
        try:
            with os.scandir(os.path.join(self.root, path)) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable[path or "/"] = f"the folder cannot be read ({error.strerror})"
            return []

    def _add_file(self, path: str, real: str) -> None:
        if self._is_new(path, real):
            self.files.append(path)

    def _is_new(self, path: str, real: str) -> bool:
        """Whether this is the first path to a file or folder; others are noted as repeating it."""
        if real in self._first_by_real:
            self.repeated[printable(path)] = f"a link to {printable(self._first_by_real[real])}"
            return False
        self._first_by_real[real] = path
        return True
