"""Make an H.264 MP4 from a storyboard: slow zoom and pan, cross-fades, captions, and a soft chord or silence."""

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import av.filter
from av.audio.frame import AudioFrame
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from PIL import Image

from nemotwin.pictures import caption_image, fitted
from nemotwin.storyboard import Caption, Storyboard

FADE_SECONDS = 0.5
CAPTION_FADE_SECONDS = 0.5
ZOOM = 0.12
"""How much larger than the frame a picture is at the near end of its zoom."""

SAMPLE_RATE = 44_100
_CHORD_HZ = (220.0, 277.18, 329.63)


class StoppedError(Exception):
    """The film was given up because the twin is stopping."""


def make(
    board: Storyboard,
    path: Path,
    *,
    progress: Callable[[float], None],
    stop: threading.Event,
    preset: str = "ultrafast",
) -> None:
    """Write the film to `path`; tell `progress` the share done, 0.0 to 1.0.

    Blocks for some seconds of CPU, most of it without the interpreter lock. Raises `StoppedError` once `stop` is set;
    a film that is not finished leaves no file.
    """
    # After a reset the same film may be made anew while the old one is still being given up.
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    total = max(round(board.seconds * board.fps), 1)
    try:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as container:
            video = container.add_stream("libx264", rate=board.fps, options={"preset": preset, "crf": "26"})
            video.width, video.height, video.pix_fmt = board.width, board.height, "yuv420p"
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            for number, frame in enumerate(_Reel(board).frames(total)):
                if stop.is_set():
                    raise StoppedError
                container.mux(video.encode(frame))
                progress(number / total)
            container.mux(video.encode(None))
            for sound in _sound(total / board.fps, board.volume):
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    progress(1.0)


class _Reel:
    """The filter graph of a film. Each picture enters it once; looping, zooming and fading happen inside."""

    def __init__(self, board: Storyboard) -> None:
        self._board = board
        self._graph = av.filter.Graph()
        self._inputs: list[tuple[FilterContext, VideoFrame]] = []
        picture = self._faded()
        for caption in board.captions:
            picture = self._captioned(picture, caption)
        self._out = self._graph.add("buffersink")
        picture.link_to(self._out)
        self._graph.configure()

    def frames(self, total: int) -> Iterator[VideoFrame]:
        """Yield exactly `total` frames."""
        for entry, still in self._inputs:
            entry.push(still)
            entry.push(None)
        last: VideoFrame | None = None
        for number in range(total):
            # Rounding may leave the graph a frame short: the last one then stands a moment longer.
            last = self._pull() or last
            if last is None:
                return
            last.pts, last.time_base = number, Fraction(1, self._board.fps)
            yield last

    def _pull(self) -> VideoFrame | None:
        try:
            pulled = self._out.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return None
        return pulled if isinstance(pulled, VideoFrame) else None

    def _faded(self) -> FilterContext:
        shots = self._board.shots
        fade = min(FADE_SECONDS, *(shot.seconds / 2 for shot in shots)) if len(shots) > 1 else 0.0
        # A shot that fades into the next goes on below it for as long as the fade lasts.
        lengths = [shot.seconds + fade for shot in shots[:-1]] + [shots[-1].seconds]
        starts = itertools.accumulate(shot.seconds for shot in shots)
        picture = self._shot(0, lengths[0])
        for number, start in zip(range(1, len(shots)), starts, strict=False):
            mixed = self._graph.add("xfade", f"transition=fade:duration={fade:.4f}:offset={start:.4f}")
            picture.link_to(mixed, 0, 0)
            self._shot(number, lengths[number]).link_to(mixed, 0, 1)
            picture = mixed
        return picture

    def _shot(self, number: int, seconds: float) -> FilterContext:
        """Zoom in on even shots, out of odd ones, and pan a little on the way."""
        width, height = self._board.width, self._board.height
        large = (_even(width * (1 + ZOOM)), _even(height * (1 + ZOOM)))
        still = _frame(fitted(self._board.shots[number].picture, large)).reformat(format="yuv420p")
        frames = max(round(seconds * self._board.fps), 1)
        done = f"min(n/{frames},1)" if number % 2 == 0 else f"(1-min(n/{frames},1))"
        size = ":".join(
            f"{side}='2*trunc({pixels}*(1+{ZOOM}*{done})/2)'" for side, pixels in (("w", width), ("h", height))
        )
        place = f"x='(in_w-{width})*(0.3+0.4*{done})':y='(in_h-{height})/2'"
        return self._chain(
            self._input(still),
            ("loop", f"loop={frames - 1}:size=1"),
            ("setpts", "N"),
            ("fps", f"{self._board.fps}"),
            ("scale", f"{size}:eval=frame:flags=bilinear"),
            ("crop", f"w={width}:h={height}:{place}"),
            ("setsar", "1"),
        )

    def _captioned(self, picture: FilterContext, caption: Caption) -> FilterContext:
        board = self._board
        frames = max(round(caption.seconds * board.fps), 1)
        first = round(caption.start * board.fps)
        place = board.captions.index(caption)
        text = self._chain(
            self._input(_frame(caption_image(caption.text, board.width)).reformat(format="yuva420p")),
            ("loop", f"loop={frames - 1}:size=1"),
            ("setpts", f"N+{first}"),
            ("fade", f"t=in:st={caption.start:.4f}:d={CAPTION_FADE_SECONDS}:alpha=1"),
        )
        laid = self._graph.add("overlay", f"x='(W-w)/2':y='H*{0.12 + 0.16 * place:.2f}':eof_action=pass")
        picture.link_to(laid, 0, 0)
        text.link_to(laid, 0, 1)
        return laid

    def _input(self, still: VideoFrame) -> FilterContext:
        base = Fraction(1, self._board.fps)
        still.pts, still.time_base = 0, base
        entry = self._graph.add_buffer(width=still.width, height=still.height, format=still.format, time_base=base)
        self._inputs.append((entry, still))
        return entry

    def _chain(self, entry: FilterContext, *steps: tuple[str, str]) -> FilterContext:
        for name, arguments in steps:
            following = self._graph.add(name, arguments)
            entry.link_to(following)
            entry = following
        return entry


def _sound(seconds: float, volume: float) -> Iterator[AudioFrame]:
    """Yield a chord that swells and dies away, `volume` loud; at 0.0 it is silence."""
    waves = "+".join(f"sin(2*PI*{pitch}*t)" for pitch in _CHORD_HZ)
    graph = av.filter.Graph()
    source = graph.add(
        "aevalsrc",
        f"exprs='{0.15 * volume:.4f}*({waves})*min(1,t)*min(1,{seconds:.4f}-t)':s={SAMPLE_RATE}:d={seconds:.4f}",
    )
    shape = graph.add("aformat", "sample_fmts=fltp:channel_layouts=mono")
    sink = graph.add("abuffersink")
    source.link_to(shape)
    shape.link_to(sink)
    graph.configure()
    graph.set_audio_frame_size(1024)
    while True:
        try:
            pulled = graph.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return
        if isinstance(pulled, AudioFrame):
            yield pulled


def _frame(image: Image.Image) -> VideoFrame:
    """Return an image with its transparency as a frame; PyAV's `from_image` would lose it."""
    return VideoFrame.from_bytes(image.convert("RGBA").tobytes(), image.width, image.height, "rgba")


def _even(value: float) -> int:
    return round(value / 2) * 2
