"""The plane between four grooves in a cell: two sliders choose a place in it, a picture and a player follow."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from IPython.display import display

from pipelines.notebook import results

if TYPE_CHECKING:
    import ipywidgets

WIDTH = "60rem"


class Grid:
    """Sliders over what `--mode=grid` has written, counted from 1 as the labels of its pieces are.

    Attributes:
        across, down: The sliders: the column and the row.
        label, picture, player: What follows them.
        box: All of these, to be displayed.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        """Draws and reads all pieces, so that the sliders do not wait for anything.

        Raises:
            ModuleNotFoundError: ipywidgets is not installed.
            ValueError: the newest command of this folder has made no grid.
        """
        import ipywidgets

        self._cells = {result.place: _Cell(result) for result in results.read(folder) if result.place}
        if not self._cells:
            raise ValueError(f"{folder}: no grid; commands.generate(…, mode='grid') makes one")
        last_row, last_column = max(self._cells)
        self.across, self.down = (
            ipywidgets.IntSlider(min=1, max=last + 1, description=name, continuous_update=False)
            for last, name in ((last_column, "across"), (last_row, "down"))
        )
        self.label = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(width="100%", max_width=WIDTH))
        self.player = ipywidgets.Audio(autoplay=False)
        self._show()
        for slider in (self.across, self.down):
            slider.observe(self._move, names="value")
        sliders = ipywidgets.HBox([self.across, self.down])
        self.box: ipywidgets.Widget = ipywidgets.VBox([sliders, self.label, self.picture, self.player])

    def _move(self, _change: object) -> None:
        self.player.autoplay = True  # Whoever moves a slider wants to hear it.
        self._show()

    def _show(self) -> None:
        cell = self._cells.get((self.down.value - 1, self.across.value - 1))
        if cell is None:  # Of a manifest that somebody has edited.
            self.label.value = "nothing here"
            return
        self.label.value, self.picture.value = cell.label, cell.png
        if cell.sound:
            self.player.value, self.player.format = cell.sound


def show(folder: pathlib.Path) -> None:
    """Shows a grid with sliders; without ipywidgets, its corners and how to get the sliders.

    Raises:
        ValueError: as `Grid`.
    """
    try:
        display(Grid(folder).box)
    except ModuleNotFoundError as error:
        if error.name != "ipywidgets":
            raise
        print("no sliders: ipywidgets is not installed; %pip install ipywidgets, then run this cell again")
        found = [result for result in results.read(folder) if result.place]
        ends = {(row, column) for row in _ends(found, 0) for column in _ends(found, 1)}
        for result in found:
            if result.place in ends:
                results.show_file(result.midi_path, result.label, result.facts)


class _Cell:
    """One place of a grid, read: its label, its picture, and its sound with its format, None without any."""

    def __init__(self, result: results.Result) -> None:
        self.label = result.label
        self.png = results.picture(result.midi_path)
        wav_path = result.midi_path.with_suffix(".wav")
        self.sound = results.sound(wav_path) if wav_path.is_file() else None


def _ends(found: list[results.Result], axis: int) -> set[int]:
    places = [result.place[axis] for result in found]
    return {min(places), max(places)}
