"""The beats of the starter data set, written as drum tabs.

A tab has one line for each voice, and one sign for each step of a bar:

    .  rest    g  ghost note    o  soft    x  medium    X  accent
    ?  a ghost note on about every other time round    !  the same, medium

A line with several bars, separated by spaces, goes round them. A bar has 16 steps (sixteenths), or 12
(triplets) in styles that say `steps_per_bar=12`. A fill may be shorter than a bar: it takes the bar's end.

A new style is one more entry in `STYLES`; `python -m data.make_starter` then plays it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Style:
    """What a drummer has to know to play a style.

    Attributes:
        name: `primary` or `primary/secondary`, as in the Groove MIDI Dataset.
        tempos_qpm: One tempo for each performance, in quarters a minute.
        times: Tabs of the hand (or foot) that keeps the time; a section takes one of them.
        grooves: Tabs of everything else; a section takes one of them.
        fills: Tabs of at most a bar.
        steps_per_bar: 16 for sixteenths, 12 for triplets.
        swing: How late every second sixteenth (of triplets the last) is, in sixteenths.
        late_ms: How far behind the beat (or, negative, ahead of it) a voice sits in this style, in ms.
        crash: The voice that answers a fill on the next downbeat.
        loudness: Factor on every velocity.
    """

    name: str
    tempos_qpm: tuple[int, ...]
    times: tuple[str, ...]
    grooves: tuple[str, ...]
    fills: tuple[str, ...]
    steps_per_bar: int = 16
    swing: float = 0.0
    late_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    crash: str = "crash"
    loudness: float = 1.0


EIGHTHS = "hat X.x.X.x.X.x.X.x."
OFFBEAT_LIFT = """
    hat   X.x.X.x.X.x.X...
    open  ..............x."""
RIDE_EIGHTHS = """
    ride  X.x.X.x.X.x.X.x.
    pedal ....o.......o..."""

FLOOR_TOM = "tom3 X.x.X.x.X.x.X.x."

ROCK_FILLS = (
    """
    snare xxXX
    kick  x...""",
    """
    snare xxxx....
    tom1  ....xx..
    tom3  ......XX
    kick  x...x...""",
    """
    snare X.xxX...
    tom1  ......x.
    tom3  .......X
    kick  x...x...""",
    """
    snare Xxxx............
    tom1  ....Xxxx........
    tom2  ........Xxxx....
    tom3  ............XxXX
    kick  x...x...x...x...""",
    """
    snare ....X..xX.x.....
    tom1  ..........x.x...
    tom3  .............xXX
    kick  X.x.....x...x...""",
)

TRIPLET_FILLS = (
    """
    snare xoX
    kick  x..""",
    """
    snare xox...
    tom1  ...xo.
    tom3  .....X
    kick  x..x..""",
    """
    snare X.xx..
    tom1  ....x.
    tom3  .....X
    kick  x..x.x""",
    """
    snare Xoxxox......
    tom1  ......Xox...
    tom3  .........XxX
    kick  x..x..x..x..""",
)

ROCK = Style(
    name="rock",
    tempos_qpm=(96, 104, 112, 120, 128, 138),
    times=(EIGHTHS, RIDE_EIGHTHS, "open X...X...X...X...", OFFBEAT_LIFT, FLOOR_TOM),
    grooves=(
        """
        snare ....X.......X...
        kick  X.......X.x.....""",
        """
        snare ....X.......X..?
        kick  X.....x.X.......""",
        """
        snare ....X..?....X... ....X..?.?..X...
        kick  X......xX.x..... X..x..x.X.....!.""",
        """
        snare ....X.......X...
        kick  X.x.....X.x...!.""",
    ),
    fills=ROCK_FILLS,
)

HALFTIME = Style(
    name="rock/halftime",
    tempos_qpm=(126, 132, 138, 144, 150, 158),
    times=("hat X.x.x.x.X.x.x.x.", "ride X...X...X...X...", "open X...x...X...x...", FLOOR_TOM),
    grooves=(
        """
        snare ........X.......
        kick  X.....x.......!.""",
        """
        snare ........X......? ........X...?...
        kick  X.x.......x..... X.....x.....x.x.""",
        """
        snare ..?.....X...?...
        kick  X.........x.x...""",
    ),
    fills=(*ROCK_FILLS[1:4],),
    loudness=1.05,
)

PUNK = Style(
    name="punk",
    tempos_qpm=(160, 168, 176, 184, 192, 200),
    times=("hat X...X...X...X...", "hat X.x.X.x.X.x.X.x.", "open X...X...X...X...", "ride X...X...X...X..."),
    grooves=(
        """
        snare ....X.......X...
        kick  X.x.....X.x.....""",
        """
        snare ..X...X...X...X!
        kick  X...X...X...X...""",
        """
        snare ....X.......X...
        kick  X.....x...x.....""",
        """
        snare ....X.......X...
        kick  X.x...x.x.x...!.""",
    ),
    fills=(
        """
        snare X.X.
        kick  x...""",
        """
        snare X.X.X.X.
        kick  x...x...""",
        """
        snare X.X.X.X.........
        tom1  ........X.X.....
        tom3  ............X.X.
        kick  x...x...x...x...""",
    ),
    loudness=1.1,
)

FUNK = Style(
    name="funk",
    tempos_qpm=(88, 94, 98, 102, 108, 114),
    times=(
        "hat XoxoXoxoXoxoXoxo",
        EIGHTHS,
        """
        hat   X.x.X.xoX.x.X...
        open  ..............X.""",
        RIDE_EIGHTHS,
    ),
    grooves=(
        """
        snare ....X..g.g.gX..g
        kick  X.x...x...x..x..""",
        """
        snare ....X..g?g..X.?g
        kick  X..x..x...x.....""",
        """
        snare ....X..g.g..X..g ....X..g.g....X.
        kick  X.x.......x..x.. X.x.......xx....""",
        """
        snare .g..X..g.g..X.g.
        kick  X......x..x....!""",
    ),
    fills=(
        """
        snare XgxX
        kick  ..x.""",
        """
        snare X.gxX.gX
        kick  ..x...x.""",
        """
        snare XggXggX.
        tom1  .......x
        kick  .x..x..x""",
        """
        snare X.gX..gX..gXx...
        tom1  .............x..
        tom3  ..............XX
        kick  ..x..x...x..x...""",
    ),
    swing=0.08,
)

MOTOWN = Style(
    name="soul/motown",
    tempos_qpm=(104, 110, 116, 122, 128, 134),
    times=(EIGHTHS, "hat X...X...X...X...", RIDE_EIGHTHS),
    grooves=(
        """
        snare X...X...X...X..!
        kick  X.....x.X.....x.""",
        """
        snare ....X..?....X..?
        kick  X..x..x.X..x..x.""",
        """
        snare ....X.x.....X...
        kick  X.......X.x...!.""",
    ),
    fills=(
        """
        snare x.xx
        kick  x...""",
        """
        snare xxxxX.X.
        kick  x...x...""",
        """
        snare X.xxX.xx........
        tom1  ........X.xx....
        tom3  ............X.X.
        kick  x...x...x...x...""",
    ),
)

HIPHOP = Style(
    name="hiphop",
    tempos_qpm=(82, 85, 88, 91, 94, 97),
    times=(
        "hat x.o.x.o.x.o.x.o.",
        "hat x.oox.o.x.oox.o. x.o.x.o.x.oox.oo",
        """
        hat   x.x.x.x.x.x.x...
        open  ..............x.""",
    ),
    grooves=(
        """
        snare ....X.......X..?
        kick  X......x..x.....""",
        """
        snare ....X..g....X...
        kick  X..x......xx....""",
        """
        snare ....X....g..X... ....X..g.g..X...
        kick  X.x....x..x..... X.x.......x..x..""",
        """
        snare ....X.......X...
        kick  X.....x..x....!x""",
    ),
    fills=(
        """
        snare X.gX
        kick  .x..""",
        """
        snare x..xX.xX
        kick  ..x..x..""",
        """
        snare X..X..X.....
        tom1  .......xx...
        tom3  .........xXX
        kick  .xx.xx......""",
    ),
    swing=0.24,
    late_ms={"snare": 12.0, "kick": 4.0},
)

DISCO = Style(
    name="dance/disco",
    tempos_qpm=(110, 114, 118, 121, 124, 128),
    times=(
        """
        hat   x...x...x...x...
        open  ..X...X...X...X.""",
        """
        hat   xo.oxo.oxo.oxo.o
        open  ..x...x...x...x.""",
        "hat XoxoXoxoXoxoXoxo",
    ),
    grooves=(
        """
        snare ....X.......X...
        kick  X...X...X...X..!""",
        """
        snare ....X..?....X.?x
        kick  X...X...X...X.!.""",
        """
        snare ....X..g....X..? ....X..g....X.x.
        kick  X...X...X...X... X...X...X.x.X.!.""",
    ),
    fills=(
        """
        snare xxXX
        kick  X...""",
        """
        snare X.xxX.XX
        kick  X...X...""",
        """
        snare xxxxxxxx....
        tom1  ........xx..
        tom3  ..........XX
        kick  X...X...X...""",
    ),
)

SWING = Style(
    name="jazz/swing",
    tempos_qpm=(118, 128, 138, 150, 164, 180),
    times=(
        """
        ride  x..X.ox..X.o
        pedal ...x.....x..""",
        """
        ride  x..X.ox..X.o x..X.ox..X..
        pedal ...x.....x..""",
        """
        ride  x..x..x..X.o x..X.ox..x..
        pedal ...x.....x..""",
    ),
    grooves=(
        """
        snare .....?.....g
        kick  g..g..g..g..""",
        """
        snare ..o........? .....o......
        kick  g..g..g..g.. g..g..g....x""",
        """
        snare .....g..o... ..?........o
        kick  ..o......... .....x......""",
        """
        snare ?....o..?... ..o.....o...
        kick  g..g..g..g..""",
    ),
    fills=(
        """
        snare xoX
        pedal x..""",
        """
        snare X.ox.o
        tom3  ..x..x
        pedal x.....""",
        """
        snare Xoxxox......
        tom1  ......xox...
        tom3  .........xoX
        pedal ...x.....x..""",
        """
        snare x.oX.ox.....
        tom1  .......oX...
        tom3  ..........xX
        kick  ..x..x..x...
        pedal ...x.....x..""",
    ),
    steps_per_bar=12,
    swing=0.08,
    crash="ride_edge",
    loudness=0.95,
)

SHUFFLE = Style(
    name="blues/shuffle",
    tempos_qpm=(92, 100, 108, 116, 124, 132),
    times=("hat X.xX.xX.xX.x", "ride X.xX.xX.xX.x", "hat X.oX.oX.oX.o"),
    grooves=(
        """
        snare ...X.....X..
        kick  X.....X....!""",
        """
        snare g.gX.gg.gX.g
        kick  X.....X.....""",
        """
        snare ...X..?.?X..
        kick  X..o..X..o..""",
        """
        snare ...X.....X.? ...X.....X.x
        kick  X....xX..... X....xX.....""",
    ),
    fills=TRIPLET_FILLS,
    steps_per_bar=12,
    swing=0.06,
    late_ms={"snare": 5.0},
)

BOSSA = Style(
    name="latin/brazilian-bossa",
    tempos_qpm=(112, 118, 124, 130, 138, 146),
    times=(
        "hat x.o.x.o.x.o.x.o.",
        """
        ride  x.o.x.o.x.o.x.o.
        pedal ....x.......x...""",
    ),
    grooves=(
        """
        stick x.....x.....x... ....x.....x.....
        kick  x.....o.x.!...o.""",
        """
        stick ....x.....x..... x.....x.....x...
        kick  x.....o.x.....o.""",
        """
        stick x.....x...x..... ....x.....x...!.
        kick  x.....o.x.....o.""",
    ),
    fills=(
        """
        stick x.x.
        kick  x...""",
        """
        snare o.x.....
        tom1  ....x...
        tom3  ......x.
        kick  x.....o.""",
        """
        stick x...x...........
        tom1  ........x.x.....
        tom3  ............x.x.
        kick  x.....o.x.....o.""",
    ),
    crash="ride_edge",
    loudness=0.8,
)

SAMBA = Style(
    name="latin/brazilian-samba",
    tempos_qpm=(92, 97, 102, 107, 112, 118),
    times=(
        """
        ride  x.xox.xox.xox.xo
        pedal ..x...x...x...x.""",
        """
        hat   XooxXooxXooxXoox""",
        """
        bell  x.x..x.x.x.xx.x.
        pedal ..x...x...x...x.""",
    ),
    grooves=(
        """
        snare X.gX.gXg.X.gX.X.
        kick  o..oX..oo..oX..o""",
        """
        stick x.x..x.x.x.xx.x.
        kick  o..oX..oo..oX..o""",
        """
        snare .X..X.X..X..X.X.
        tom3  ..........o.....
        kick  o..ox..oo..ox..o""",
    ),
    fills=(
        """
        snare XgXX
        kick  x..x""",
        """
        snare X.XX....
        tom1  ....X.x.
        tom3  .......X
        kick  x..xx..x""",
        """
        snare XggXggXg........
        tom1  ........X.xX....
        tom3  ............X.XX
        kick  o..oX..oo..oX..o""",
    ),
    loudness=0.92,
)

AFROBEAT = Style(
    name="afrobeat",
    tempos_qpm=(98, 103, 108, 113, 118, 124),
    times=(
        "hat X.xoX.xoX.xoX.xo",
        """
        hat   x.xox...x.xox...
        open  ......x.......x.""",
        "ride X.xoX.xoX.xoX.xo",
    ),
    grooves=(
        """
        snare ....X..g.g....X.
        kick  X..x..x...x.x...""",
        """
        snare ..g.X..g.?....Xg
        kick  X.....x..x..x...""",
        """
        snare ....X.g..g..X..g ....X.g..g....X.
        kick  X..x......x..x.. X..x..x...x.x...""",
    ),
    fills=(
        """
        snare XggX
        kick  .xx.""",
        """
        snare X..xX...
        tom1  .....x..
        tom3  ......xX
        kick  .xx...x.""",
        """
        snare X.gX.gX.....
        tom1  .......xX...
        tom3  .........xxX
        kick  ..x..x..x...""",
    ),
    swing=0.06,
)

REGGAE = Style(
    name="reggae",
    tempos_qpm=(68, 71, 74, 77, 80, 84),
    times=("hat o.X.o.X.o.X.o.X.", "hat x.XoX.x.x.XoX.x.", "hat x.X.x.Xox.X.x.Xo"),
    grooves=(
        """
        stick ....X.......X..?
        kick  ....X.......X.!.""",
        """
        stick ....X..?....X... ....X.....x.X..x
        kick  ....X.......X...""",
        """
        stick ....X..?....X.?.
        kick  X...x...X...x..!""",
        """
        snare ....X..g....X..?
        kick  ....X.......X..!""",
    ),
    fills=(
        """
        rim   X.xX
        kick  x...""",
        """
        rim   X.xx....
        tom1  ....x.x.
        tom3  .......X
        kick  x...x...""",
        """
        rim   XxX.........
        tom1  ...xXx......
        tom2  ......x.xx..
        tom3  ..........XX
        kick  ....X.......""",
    ),
    swing=0.16,
    late_ms={"stick": 6.0, "snare": 6.0},
    loudness=0.85,
)

SECOND_LINE = Style(
    name="neworleans/secondline",
    tempos_qpm=(88, 92, 96, 100, 104, 110),
    times=("pedal ....x.......x...", "pedal ..x...x...x...x.", "pedal ....x.......x.o."),
    grooves=(
        """
        snare XggXggXgggXgXg?g
        kick  X..x..x...!.X...""",
        """
        snare X.gX.gX.g.XgX.gg XggX.gX.g.XgX.X.
        kick  X.....x...x.X... X..x..x.....X...""",
        """
        snare ggXgXgggXggXggXg XggXggXgggXgXggg
        kick  X.....x.....X... X..x..x...x.X...""",
    ),
    fills=(
        """
        snare XxXX
        kick  X...""",
        """
        snare XggXgXXg
        kick  x..x..X.""",
        """
        snare XggXggX.....
        tom1  .......xX...
        tom3  ..........XX
        kick  x..x..x.X...""",
    ),
    swing=0.18,
)

COUNTRY = Style(
    name="country",
    tempos_qpm=(100, 106, 112, 118, 124, 130),
    times=("pedal ..x...x...x...x.", "pedal ....x.......x..."),
    grooves=(
        """
        snare ooXoooXoooXoooXo
        kick  x...x...x...x.!.""",
        """
        snare ooXoooXoooXoooXo ooXoooXoooXoXoXo
        kick  x.......x.....!.""",
        """
        snare ooooXoooooooXooo
        kick  x.....!.x.......""",
        """
        snare o?XoX.Xoo?XoX.Xo
        kick  x...x...x...x...""",
    ),
    fills=(
        """
        snare XxXX
        kick  x...""",
        """
        snare XoxXoxXX
        kick  x...x...""",
        """
        snare XoxoXoxo........
        tom1  ........XoX.....
        tom3  ...........xX.X.
        kick  x...x...x...x...""",
    ),
)

STYLES: tuple[Style, ...] = (
    ROCK,
    HALFTIME,
    PUNK,
    FUNK,
    MOTOWN,
    HIPHOP,
    DISCO,
    SWING,
    SHUFFLE,
    BOSSA,
    SAMBA,
    AFROBEAT,
    REGGAE,
    SECOND_LINE,
    COUNTRY,
)
