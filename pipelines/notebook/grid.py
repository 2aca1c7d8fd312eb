"""The plane between four grooves in a cell: two sliders choose a place in it, a picture and a player follow."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from IPython.display import display

from pipelines.notebook import results
from pipelines.pages.manifest import Output

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

        self._cells = {output.cell: _Cell(folder, output) for output in results.read(folder) if output.cell}
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
            self.player.format, self.player.value = cell.sound


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
        cells = {output.cell: output for output in results.read(folder) if output.cell}
        first, last = (extreme(cells, default=(0, 0)) for extreme in (min, max))
        for corner in [(first[0], first[1]), (first[0], last[1]), (last[0], first[1]), (last[0], last[1])]:
            if corner in cells:
                results.show_file(folder / cells[corner].midi, cells[corner].label)


class _Cell:
    """One place of a grid, read: its label, its picture, and the format and bytes of its sound, None without any."""

    def __init__(self, folder: pathlib.Path, output: Output) -> None:
        midi_path = folder / output.midi
        wav_path = midi_path.with_suffix(".wav")
        self.label, self.png, self.sound = output.label, b"", None
        try:
            self.png, _ = results.picture(midi_path, output.num_bars)
            self.sound = results.sound(wav_path) if wav_path.is_file() else None
        except ValueError as error:
            self.label = str(error)
