"""The arithmetic of one period on arrays that exist before it starts; no JACK here.

A `Bank` is laid out for one order at one period. It is built by the control thread,
takes over gains and levels from the bank before it (`take_over`), and from then on
belongs to JACK's thread: `mix` makes no array and no Python container.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from sessiond.core.levelhistory import LevelHistory, Slot
from sessiond.core.mixmatrix import (
    FADE,
    SIDES,
    MixLevels,
    MixOrder,
    decibels,
    factor,
    fade_periods,
)
from sessiond.units import Frames, Hertz, Seconds

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

# Levels are over the last five tenths of a second: a look twice a second misses no
# peak, and the eye can follow it.
_SHOWN: Final = 5
# An ear asks once a second; twice that, and somewhat more, bridges a late one.
_SLOTS: Final = 30
_SLOT: Final = Seconds(0.1)

# A mean square beyond which samples are no sound: +60 dB over full scale.
_ABSURD: Final = 1e6


class Bank:
    """One layout's samples, gains and levels.

    Rows come in this order: each strip's left and right, then each bus's left and
    right. Fill `x` (a row a strip's side), call `mix`, read `y` (a row a bus's side).

    Args:
        order: The layout, and the gains to go to.
        rate_hz: JACK's.
        frames: JACK's period; `x` and `y` have exactly so many columns.
        before: The bank that this one will take over from; None starts at silence.
        fade: How long gains take on their way from there.

    Attributes:
        x: The strips' samples; filled from outside.
        y: The buses' samples.
        gains: The factors of this moment, flat, and a zero behind them.
        peaks: The last highest samples, a row a side, and a row of zeros.
        powers: The last sums of squares, likewise.
        counted: How many frames each column of `peaks` and `powers` is over.
        slot: The column that is being filled.
        filled: How many have been, in this bank's and its predecessors' time.
    """

    def __init__(
        self,
        order: MixOrder,
        rate_hz: Hertz,
        frames: Frames,
        before: "Bank | None",
        fade: Seconds = FADE,
    ) -> None:
        self.order = order
        self.rate_hz = rate_hz
        self.frames = frames
        ins, outs = SIDES * len(order.strips), SIDES * len(order.buses)
        rows = ins + outs
        self._rows = _zeros(rows, frames)
        self.x, self.y = self._rows[:ins], self._rows[ins:]
        self._fade_x, self._fade_y = _zeros(ins, frames), _zeros(outs, frames)
        self._absolute = _zeros(rows, frames)
        # From just above 0 to 1, so that the period ends on the gain it goes to.
        self._ramp = np.linspace(0, 1, frames + 1, dtype=np.float32)[1:].copy()

        # The zero behind the gains is what a new pair of strip and bus starts from.
        self.gains = np.zeros(outs * ins + 1, dtype=np.float32)
        self._now = self.gains[:-1].reshape(outs, ins)
        self._goal = _goal(order)
        self._step = _zeros(outs, ins)
        self._fade = fade_periods(rate_hz, frames, fade)
        self._share = np.float32(1.0 / self._fade)
        self._left = 0

        self._peak, self._power = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
        # Row by row the last `_SLOTS` peaks and sums of squares, and a row of zeros for
        # rows that are new.
        self.peaks, self.powers = _zeros(rows + 1, _SLOTS), _zeros(rows + 1, _SLOTS)
        self.counted = [0] * _SLOTS
        self._slots = tuple(
            (self.peaks[:-1, n], self.powers[:-1, n]) for n in range(_SLOTS)
        )
        self.slot = self.filled = 0
        self._absurd = _ABSURD * frames
        self._slot_frames = int(_SLOT * rate_hz)

        self._from_gains, self._from_rows = _origins(order, before)

    @property
    def settled(self) -> bool:
        """No gain is on its way."""
        return self._left == 0

    def take_over(self, before: "Bank") -> None:
        """Go on from where `before` stands: its gains of this moment, its levels."""
        np.take(before.gains, self._from_gains, out=self.gains[:-1], mode="clip")
        np.take(before.peaks, self._from_rows, axis=0, out=self.peaks[:-1], mode="clip")
        np.take(
            before.powers, self._from_rows, axis=0, out=self.powers[:-1], mode="clip"
        )
        self.counted[:] = before.counted
        self.slot = before.slot
        self.filled = before.filled
        np.subtract(self._goal, self._now, out=self._step)
        np.multiply(self._step, self._share, out=self._step)
        self._left = self._fade

    def mix(self) -> None:
        """Make `y` of `x`, bring the gains a period nearer, and measure both."""
        self._multiply()
        np.vecdot(self._rows, self._rows, out=self._power)
        # A NaN compares false with everything, so this finds it as well.
        if not np.add.reduce(self._power) < self._absurd:
            self._silence_the_absurd()
        if self._left:
            self._advance()
        np.absolute(self._rows, out=self._absolute)
        np.maximum.reduce(self._absolute, axis=1, out=self._peak)
        self._note()

    def _multiply(self) -> None:
        np.matmul(self._now, self.x, out=self.y)
        if self._left:
            np.multiply(self.x, self._ramp, out=self._fade_x)
            np.matmul(self._step, self._fade_x, out=self._fade_y)
            np.add(self.y, self._fade_y, out=self.y)

    def _silence_the_absurd(self) -> None:
        """Mix again without the strips that are no sound.

        NaN times a gain of zero is NaN: unchecked, one musician's broken plug-in
        would silence every bus, also those that he isn't on.
        """
        for row, power in zip(self.x, self._power[: len(self.x)], strict=True):
            if not power < self._absurd:
                row.fill(0.0)
        self._multiply()
        np.vecdot(self._rows, self._rows, out=self._power)

    def _advance(self) -> None:
        self._left -= 1
        if self._left:
            np.add(self._now, self._step, out=self._now)
        else:
            np.copyto(self._now, self._goal)

    def _note(self) -> None:
        """Add this period to the levels, and begin a slot when one is full."""
        peaks, powers = self._slots[self.slot]
        np.maximum(peaks, self._peak, out=peaks)
        np.add(powers, self._power, out=powers)
        self.counted[self.slot] += self.frames
        if self.counted[self.slot] >= self._slot_frames:
            self.slot = (self.slot + 1) % _SLOTS
            self.filled += 1
            self.counted[self.slot] = 0
            for column in self._slots[self.slot]:
                column.fill(0.0)

    def levels(self) -> tuple[tuple[MixLevels, ...], tuple[MixLevels, ...]]:
        """Return the strips' and the buses' levels; for the control thread.

        JACK's thread may write meanwhile: a level may then miss this period's share.
        """
        shown = [(self.slot - back) % _SLOTS for back in range(_SHOWN)]
        peaks = self.peaks[:-1, shown].max(axis=1, initial=0.0)
        frames = max(sum(self.counted[slot] for slot in shown), 1)
        means = self.powers[:-1, shown].sum(axis=1) / frames
        measured = tuple(
            MixLevels(
                peak_db=decibels(float(peaks[row : row + SIDES].max())),
                rms_db=decibels(float(means[row : row + SIDES].mean()) ** 0.5),
            )
            for row in range(0, len(peaks), SIDES)
        )
        strips = len(self.order.strips)
        return measured[:strips], measured[strips:]

    def history(self) -> LevelHistory:
        """Return how loud the buses were, slot by slot; for the control thread."""
        # Not the one that JACK's thread may begin to fill meanwhile.
        told = [
            (self.slot - back) % _SLOTS
            for back in range(1, min(self.filled, _SLOTS - 2) + 1)
        ]
        first = SIDES * len(self.order.strips)
        return LevelHistory(
            buses=self.order.buses,
            rate_hz=self.rate_hz,
            since=Frames(self.counted[self.slot]),
            slots=tuple(self._told(slot, first) for slot in told),
        )

    def _told(self, slot: int, first: int) -> Slot:
        frames = max(self.counted[slot], 1)
        powers = self.powers[first:-1, slot].reshape(-1, SIDES).mean(axis=1) / frames
        levels = tuple(decibels(float(power) ** 0.5) for power in powers)
        return Slot(frames=Frames(frames), rms_db=levels)


def _zeros(rows: int, columns: int) -> Floats:
    return np.zeros((rows, columns), dtype=np.float32)


def _goal(order: MixOrder) -> Floats:
    """Return the order's gains as factors from side to side."""
    factors = [[factor(gain) for gain in row] for row in order.gains_db]
    by_name = np.array(factors).reshape(len(order.buses), len(order.strips))
    return np.kron(by_name, np.eye(SIDES)).astype(np.float32)


def _origins(order: MixOrder, before: Bank | None) -> tuple[Indices, Indices]:
    """Return where in `before` each gain and each row of levels comes from.

    What is new points at the zero behind the last one.
    """
    earlier = MixOrder() if before is None else before.order
    strips = _sides(order.strips, earlier.strips)
    buses = _sides(order.buses, earlier.buses)
    ins, outs = SIDES * len(earlier.strips), SIDES * len(earlier.buses)
    gains = buses[:, None] * ins + strips[None, :]
    gains[(buses < 0), :] = outs * ins
    gains[:, (strips < 0)] = outs * ins
    rows = np.concatenate([strips, np.where(buses < 0, buses, buses + ins)])
    return gains.reshape(-1), np.where(rows < 0, ins + outs, rows)


def _sides(names: tuple[str, ...], earlier: tuple[str, ...]) -> Indices:
    """Return each name's sides' places in `earlier`; −1 where it is new."""
    return np.array(
        [
            SIDES * earlier.index(name) + side if name in earlier else -1
            for name in names
            for side in range(SIDES)
        ],
        dtype=np.intp,
    )
