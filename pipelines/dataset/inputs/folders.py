"""The files of a folder and of all folders below it, links followed, each file once.

Paths are text, which keeps names that are no UTF-8. They are found in the order of their names and packed as they come:
memory has the names of one folder at a time, and only where there are links those of all.
"""

# ruff: noqa: PTH110, PTH112, PTH113, PTH118, PTH119

from __future__ import annotations

import heapq
import os
import pathlib
from collections.abc import Iterator

from pipelines.dataset.inputs.names import Names
from pipelines.dataset.inputs.source import Files, InFolder, Location, Unreadable, is_wanted
from pipelines.files.midi_files import is_hidden, printable


def list_files(root: pathlib.Path) -> Files:
    """Lists the files to convert, and their tables, below a folder; raises OSError where itself it cannot be read.

    Links are followed after all that is no link, so that a file goes by its own name where it has one; what a link
    leads to a second time is left out and named. A link that leads nowhere is listed: reading it says why.
    """
    os.scandir(root).close()
    walk = _Walk(str(root))
    paths = Names(walk.files())
    if walk.links:
        walk = _Walk(str(root), will_follow=True)
        paths = Names(sorted([*walk.files(), *walk.files_of_links()]))
    odd = {printable(path): path for path in paths if not _is_printable(path)}
    errors = {printable(path): reason for path, reason in walk.unreadable.items()}

    def locate(name: str) -> Location:
        return Unreadable(errors[name]) if name in errors else InFolder(os.path.join(root, odd.get(name, name)))

    if not odd and not errors:
        return Files(paths, locate, walk.repeated)
    others = (path for path in paths if _is_printable(path) and path not in odd)
    return Files(Names(heapq.merge(others, sorted({*odd, *errors}))), locate, walk.repeated)


def _is_printable(path: str) -> bool:
    return path.isascii() or printable(path) == path


class _Walk:
    """Finds the files below a folder. Paths are the file system's own, relative to it; those of folders end in /.

    Args:
        root: The folder.
        will_follow: Whether to remember every file and folder, as it needs to tell which of them a link leads to.
    """

    def __init__(self, root: str, will_follow: bool = False) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.links: list[str] = []
        self.repeated: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._will_follow = will_follow
        self._first_by_real: dict[str, str] = {}

    def files(self) -> Iterator[str]:
        """Yields the files that no link leads to, sorted, and notes the links on the way."""
        return self._below("", self.real_root)

    def files_of_links(self) -> Iterator[str]:
        """Yields the files that only links lead to, link by link."""
        while self.links:
            links, self.links = sorted(self.links), []
            for link in links:
                yield from self._follow(link)

    def _below(self, path: str, real: str) -> Iterator[str]:
        """Yields a folder's files and those of the folders below it, sorted; links in them are kept for later."""
        outer = [iter([(path, real)])]  # From the outermost folder inwards, what is left to visit in it.
        while outer:
            path, real = next(outer[-1], (None, ""))
            if path is None:
                outer.pop()
            elif not self._is_new(path, real):
                continue
            elif path.endswith("/") or not path:
                outer.append(self._inside(path, real))
            else:
                yield path

    def _inside(self, folder: str, real: str) -> Iterator[tuple[str, str]]:
        """Yields what lies in a folder, each with its real path, in the order of whole paths: "a.mid" before "a/"."""
        for name in self._names(folder):
            yield folder + name, os.path.join(real, name.rstrip("/"))

    def _names(self, folder: str) -> list[str]:
        names: list[str] = []
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if entry.is_symlink():
                        self.links.append(folder + entry.name)
                    elif entry.is_dir():
                        names.append(f"{entry.name}/")
                    elif entry.is_file() and is_wanted(entry.name):
                        names.append(entry.name)
        except OSError as error:
            self.unreadable[folder or "/"] = f"the folder cannot be read ({error.strerror})"
            return []
        return sorted(names)

    def _follow(self, link: str) -> Iterator[str]:
        """Yields the files that a link leads to."""
        path = os.path.join(self.root, link)
        is_there = os.path.exists(path)
        real = os.path.realpath(path) if is_there else path
        if os.path.isdir(real):
            if f"{self.real_root}/".startswith(f"{real.rstrip('/')}/"):
                self.repeated[printable(f"{link}/")] = "a link to a folder that it lies in"
            else:
                yield from self._below(f"{link}/", real)
        elif is_wanted(os.path.basename(link)) and (os.path.isfile(real) or not is_there) and self._is_new(link, real):
            yield link

    def _is_new(self, path: str, real: str) -> bool:
        """Whether this is the first path to a file or folder; others are noted as repeating it."""
        if not self._will_follow:  # Without links there is one path to each.
            return True
        if real in self._first_by_real:
            self.repeated[printable(path)] = f"a link to {printable(self._first_by_real[real])}"
            return False
        self._first_by_real[real] = path
        return True
