"""File systems of Apache Beam that take the place of a cloud's."""

from __future__ import annotations

import os
import pathlib

from apache_beam.io import filesystem, localfilesystem


class FlatFileSystem(localfilesystem.LocalFileSystem):
    """Files in the folder FLAT_ROOT, without folders between: they are parts of names, as in a cloud's storage."""

    root = ""
    has_folders = False

    @classmethod
    def scheme(cls) -> str:
        return "flat"

    def has_dirs(self) -> bool:
        return self.has_folders

    def _disk(self, url: str) -> str:
        return url.replace(f"{self.scheme()}://", f"{FlatFileSystem.root}/{self.scheme()}/")

    def _url(self, path: str) -> str:
        return path.replace(f"{FlatFileSystem.root}/{self.scheme()}/", f"{self.scheme()}://")

    def mkdirs(self, path):
        if self.has_folders:
            super().mkdirs(self._disk(path))

    def _list(self, dir_or_prefix):
        path = pathlib.Path(self._disk(dir_or_prefix))
        for file in sorted((path if path.is_dir() else path.parent).rglob("*")):
            if file.is_file():
                yield filesystem.FileMetadata(self._url(str(file)), file.stat().st_size)

    def exists(self, path):
        found = pathlib.Path(self._disk(path))
        return found.exists() if self.has_folders else found.is_file()

    def open(self, path, *args, **kwargs):
        return super().open(self._disk(path), *args, **kwargs)

    def create(self, path, *args, **kwargs):
        pathlib.Path(self._disk(path)).parent.mkdir(parents=not self.has_folders, exist_ok=True)
        return super().create(self._disk(path), *args, **kwargs)

    def rename(self, source_file_names, destination_file_names):
        disk = list(map(self._disk, destination_file_names))
        assert not any(map(os.path.exists, disk)), "HDFS refuses to"
        super().rename(list(map(self._disk, source_file_names)), disk)

    def delete(self, paths):
        super().delete(list(map(self._disk, paths)))


class DeepFileSystem(FlatFileSystem):
    """The same with folders, which are listed one by one, as in HDFS: as files without content."""

    has_folders = True

    @classmethod
    def scheme(cls) -> str:
        return "deep"

    def _list(self, dir_or_prefix):
        path = pathlib.Path(self._disk(dir_or_prefix))
        for file in sorted(path.iterdir()):  # Of a file, an error.
            size = file.stat().st_size if file.is_file() else 0
            yield filesystem.FileMetadata(self._url(str(file)), size)


def on_disk(url: str) -> pathlib.Path:
    return pathlib.Path(FlatFileSystem.root) / url.replace("://", "/")
