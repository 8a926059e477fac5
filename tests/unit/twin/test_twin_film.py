"""Drafts become storyboards, storyboards become films that PyAV opens."""

import threading

import av
import pytest
from PIL import Image

from nemotwin import drafts, film
from nemotwin.edits import AddMusic, AddTitle, Canvas, SetVolume
from nemotwin.pictures import caption_image, fitted
from nemotwin.storyboard import Caption, Shot, Storyboard, UnrenderableError, from_draft

LIMITS = {"fps": 24, "max_side": 1920}


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for number, colour in enumerate(("red", "blue", "green")):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (300, 200), colour).save(path)
        paths.append(str(path))
    return paths


def made(board, path):
    film.make(board, path, progress=lambda _share: None, stop=threading.Event())
    return av.open(str(path))


def colour_at(frame, x, y):
    red, green, blue = frame.to_image().getpixel((x, y))
    return max(("red", red), ("green", green), ("blue", blue), key=lambda pair: pair[1])[0]


def test_a_film_shows_each_picture_in_turn(pictures, tmp_path):
    shots = tuple(Shot(path, 0.8) for path in pictures)
    board = Storyboard(width=160, height=284, fps=24, shots=shots, captions=(), volume=0.5)
    with made(board, tmp_path / "film.mp4") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 160, 284)
        assert audio.codec_context.name == "aac"
        assert float(video.duration * video.time_base) == pytest.approx(2.4, abs=0.05)
        assert float(audio.duration * audio.time_base) == pytest.approx(2.4, abs=0.2)
        frames = list(container.decode(video=0))
    assert [colour_at(frames[at], 80, 142) for at in (5, 32, 55)] == ["red", "blue", "green"]


def test_the_picture_moves(tmp_path):
    path = tmp_path / "half.png"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(path)
    board = Storyboard(width=160, height=160, fps=24, shots=(Shot(str(path), 1.0),), captions=(), volume=0.0)
    with made(board, tmp_path / "film.mp4") as container:
        frames = list(container.decode(video=0))
    assert frames[0].to_image().tobytes() != frames[-1].to_image().tobytes()


def test_a_caption_is_seen_while_it_should_be(tmp_path):
    captions = (Caption("HELLO", 0.0, 1.0),)
    board = Storyboard(width=320, height=180, fps=24, shots=(Shot(None, 2.0),), captions=captions, volume=0.0)
    with made(board, tmp_path / "film.mp4") as container:
        frames = list(container.decode(video=0))

    def whitest(frame):
        return max(frame.to_image().convert("L").tobytes())

    assert whitest(frames[20]) > 230
    assert whitest(frames[40]) < 230


def test_silence_and_sound(tmp_path):
    def loudest(volume):
        board = Storyboard(width=64, height=64, fps=12, shots=(Shot(None, 2.0),), captions=(), volume=volume)
        with made(board, tmp_path / "film.mp4") as container:
            import array

            return max(
                max(abs(sample) for sample in array.array("f", bytes(frame.planes[0])))
                for frame in container.decode(audio=0)
            )

    assert loudest(0.0) < 0.001
    assert loudest(1.0) > 0.05


def test_a_stopped_film_leaves_no_file(tmp_path):
    stop = threading.Event()
    stop.set()
    board = Storyboard(width=64, height=64, fps=12, shots=(Shot(None, 1.0),), captions=(), volume=0.0)
    with pytest.raises(film.StoppedError):
        film.make(board, tmp_path / "film.mp4", progress=lambda _share: None, stop=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_film_can_be_made_anew_while_the_old_one_is_being_given_up(tmp_path):
    board = Storyboard(width=64, height=64, fps=12, shots=(Shot(None, 9.0),), captions=(), volume=0.0)
    path, again = tmp_path / "film.mp4", threading.Event()

    def progress(share):
        if share > 0.7 and not again.is_set():
            again.set()
            film.make(board, path, progress=lambda _share: None, stop=threading.Event())

    film.make(board, path, progress=progress, stop=threading.Event())
    assert again.is_set()
    assert list(tmp_path.iterdir()) == [path]


def test_pictures_fill_the_frame_whatever_they_are(pictures, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    for path in (pictures[0], str(broken), str(tmp_path / "gone.jpg"), None):
        assert fitted(path, (108, 192)).size == (108, 192)


def test_a_film_counts_as_its_first_frame(pictures, tmp_path):
    board = Storyboard(width=64, height=64, fps=12, shots=(Shot(pictures[0], 0.5),), captions=(), volume=0.0)
    with made(board, tmp_path / "clip.mp4"):
        pass
    red, green, blue = fitted(str(tmp_path / "clip.mp4"), (64, 64)).getpixel((32, 32))
    assert red > 200 > max(green, blue)


def test_long_captions_are_wrapped_and_even():
    image = caption_image("a rather long title that cannot be on one line 标题", 320)
    assert image.width <= 320
    assert image.width % 2 == image.height % 2 == 0
    assert image.height > 2 * caption_image("a", 320).height


def test_a_draft_becomes_a_storyboard():
    draft = drafts.lay(["asset:1", "asset:9"], ms=5000, name="trip", canvas=Canvas(1080, 1920))
    draft = drafts.edited(draft, [AddTitle("Golden Hour", 3000), AddMusic("Lo-fi"), SetVolume(0.35)])
    board = from_draft(draft, output={}, pictures={"asset:1": "/a.jpg"}, **LIMITS)
    assert board == Storyboard(
        width=1080,
        height=1920,
        fps=24,
        shots=(Shot("/a.jpg", 2.5), Shot(None, 2.5)),
        captions=(Caption("Golden Hour", 0.0, 3.0),),
        volume=0.35,
    )
    assert board.seconds == 5.0


@pytest.mark.parametrize(
    ("output", "max_side", "size"),
    [
        ({}, 1920, (1080, 1920)),
        ({"resolution": "720p"}, 1920, (720, 1280)),
        ({}, 320, (180, 320)),
        ({"resolution": "4k"}, 1920, (1080, 1920)),
    ],
)
def test_the_size_of_the_output(output, max_side, size):
    draft = drafts.lay(["asset:1"], ms=1000, name="x", canvas=Canvas(1080, 1920))
    board = from_draft(draft, output=output, pictures={}, fps=24, max_side=max_side)
    assert (board.width, board.height) == size


@pytest.mark.parametrize("draft", [{}, None, [], "not json", '{"t": []}', {"t": [{"tt": 0, "sg": []}]}, {"t": "x"}])
def test_an_unrenderable_draft_says_so(draft):
    with pytest.raises(UnrenderableError):
        from_draft(draft, output={}, pictures={}, **LIMITS)


def test_a_draft_may_be_a_string():
    board = from_draft('{"t": [{"tt": 0, "sg": [{"d": 1000}]}]}', output={"fps": 12}, pictures={}, **LIMITS)
    assert (board.seconds, board.fps) == (1.0, 12)
