"""Image folders as they are found on disks: what is read, what is left out with a word, what is refused by name."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasnb.data import load
from nasnb.data.folders import folder_checksum, read_folder
from nasnb.data.pixels import read

SIDE = 8
LEVELS = {"ant": 40, "bee": 200}  # the grey of every image of a class


def save(path: Path, level: int = 128, *, mode: str = "RGB", side: int = SIDE, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (level,) * 3).convert(mode).save(path, **how)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images of two classes in both parts."""
    for part in ("train", "test"):
        for name, level in LEVELS.items():
            for i in range(2):
                save(tmp_path / part / name / f"{i}.png", level)
    return tmp_path


def found(folder: Path) -> list[tuple[str, int]]:
    """(class, grey) of all training images."""
    train, _, classes = read_folder(folder)
    greys = train.images.float().mean(dim=(1, 2, 3)).round().int().tolist()
    return sorted(zip([classes[label] for label in train.labels.tolist()], greys, strict=True))


PLAIN = [("ant", 40)] * 2 + [("bee", 200)] * 2

# --- left alone without a word: it is not the user's ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints/0-checkpoint.png", "__MACOSX/ant.png", "@eaDir/0.png", ".hidden/0.png"]
)
def test_folders_of_systems_are_no_classes(name, folder, capsys):
    save(folder / "train" / name)
    save(folder / "train/ant" / name)
    assert found(folder) == PLAIN
    assert "left out" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"])
def test_files_of_systems_are_no_images(name, folder, capsys):
    (folder / "train/ant" / name).write_bytes(b"\0\5\x16\7")
    (folder / "train" / name).write_bytes(b"\0\5\x16\7")
    assert found(folder) == PLAIN
    assert "left out" not in capsys.readouterr().err


# --- read -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "bmp", "gif", "webp", "tif", "TIFF", "ppm", "pgm"])
def test_other_kinds_of_images_are_read(ending, folder):
    save(folder / f"train/ant/more.{ending}", 60)
    assert found(folder) in (sorted([*PLAIN, ("ant", 60)]), sorted([*PLAIN, ("ant", 61)]))  # webp rounds


def test_images_in_deeper_folders_count(folder):
    save(folder / "train/bee/2024/june/9.png", 210)
    assert ("bee", 210) in found(folder)


def test_links_are_followed_but_not_in_circles(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "far.png", 220)
    (folder / "train/bee/link").symlink_to(elsewhere)
    (folder / "train/bee/circle").symlink_to(folder / "train/bee")
    assert found(folder) == [*PLAIN, ("bee", 220)]


def test_a_photograph_stands_upright(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    image = np.asarray(read(tmp_path / "turned.png"))
    assert image.shape == (8, 4, 3) and image[:4].min() == 255 and image[4:].max() == 0


def test_transparent_parts_are_white(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 255, 128  # black; half black; hidden black below
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.asarray(read(tmp_path / "a.png"))[:, 0, 0].tolist() == [0, 127, 255, 255]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode="L").convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60] + [0] * 762)
    palette.save(tmp_path / "p.png", transparency=0)
    assert np.asarray(read(tmp_path / "p.png")).tolist() == [[[255] * 3, [40, 50, 60]]]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_values_of_16_bits_are_scaled_not_cut(ending, tmp_path):
    grey = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / f"deep.{ending}")
    assert np.asarray(read(tmp_path / f"deep.{ending}"))[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "RGBA", "YCbCr"])
def test_modes_keep_what_they_show(mode, tmp_path):
    path = save(tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png"), 255, mode=mode)
    assert np.asarray(read(path)).min() >= 254


def test_of_an_animation_the_first_picture_counts_and_it_is_said(folder, capsys):
    frames = [Image.new("L", (SIDE, SIDE), level) for level in (50, 250)]
    frames[0].save(folder / "train/ant/moves.gif", save_all=True, append_images=frames[1:])
    assert ("ant", 50) in found(folder)
    assert "1 files hold several pictures, such as" in capsys.readouterr().err


def test_a_huge_picture_is_read_and_a_monstrous_one_refused_by_name(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # warns from 50 on, refuses from 100 on
    assert found(folder) == PLAIN
    save(folder / "test/ant/wall.png", side=20)
    with pytest.raises(ValueError, match=r"wall.png has more pixels than one picture may have; scale it down first"):
        read_folder(folder)


def test_a_panorama_is_cut_from_its_centre(tmp_path):
    pixels = np.zeros((8, 4000, 3), np.uint8)
    pixels[:, 1996:2004] = 255
    for part in ("train", "test"):
        (tmp_path / part / "a").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / part / "a/wide.png")
    assert read_folder(tmp_path, image_size=8)[0].images.min() == 255


# --- left out with a word, or refused ---------------------------------------------------------------------------------


def test_what_is_no_image_is_counted_and_said(folder, capsys):
    for name in ("notes.txt", "more.txt", "labels.csv", "README"):
        (folder / "train/ant" / name).write_text("words")
    assert found(folder) == PLAIN
    assert "4 images; left out as no images: 1 .csv, 2 .txt, 1 without an ending" in capsys.readouterr().err


def test_a_class_that_the_test_part_lacks_is_said(folder, capsys):
    for path in (folder / "test/bee").iterdir():
        path.unlink()
    read_folder(folder)
    assert "bee holds no images: test accuracies are of the other classes" in capsys.readouterr().err


def test_a_class_without_images_is_refused(folder):
    (folder / "train/cat").mkdir()
    with pytest.raises(ValueError, match=r"train/cat holds no images: add some, or remove the class"):
        read_folder(folder)


@pytest.mark.parametrize("ending", ["heic", "AVIF", "svg", "jp2", "dng"])
def test_images_that_are_not_read_are_named(ending, folder):
    (folder / f"train/ant/phone.{ending}").write_bytes(b"whatever")
    with pytest.raises(ValueError, match=rf"phone.{ending}: images of the kind .{ending.lower()} are not read here"):
        read_folder(folder)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"GIF89a", b"\xff\xd8\xff"])
def test_damaged_images_are_named(content, folder):
    (folder / "test/ant/bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"test/ant/bad.png cannot be read as an image \(.+\); remove or replace it"):
        read_folder(folder)


def test_pixels_without_a_range_are_refused(folder):
    Image.fromarray(np.ones((SIDE, SIDE), np.float32)).save(folder / "train/ant/float.tif")
    with pytest.raises(ValueError, match=r"float.tif cannot be read .*32 bits, mode F, have no known range"):
        read_folder(folder)


def test_an_image_outside_the_classes_is_refused(folder):
    save(folder / "train/lost.jpg")
    with pytest.raises(ValueError, match=r"lost.jpg lies in no class folder: move it into one"):
        read_folder(folder)


def test_a_link_to_nowhere_is_named(folder):
    (folder / "train/ant/gone.png").symlink_to(folder / "absent.png")
    with pytest.raises(ValueError, match=r"gone.png is no file, or a link that leads to none"):
        read_folder(folder)


def test_a_pipe_with_the_name_of_an_image_does_not_hang(folder):
    os.mkfifo(folder / "train/ant/pipe.png")
    with pytest.raises(ValueError, match=r"pipe.png is no file"):
        read_folder(folder)


def test_a_name_that_is_no_text_is_refused(folder):
    try:
        os.mkdir(os.fsencode(folder / "train") + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(ValueError, match=r"has a name that is no readable text: rename it"):
        read_folder(folder)


@pytest.mark.parametrize("wrong", [7, 0, -32, True, 32.5])
def test_a_size_without_a_meaning_is_refused(wrong, folder):
    with pytest.raises(ValueError, match=r"images of .* pixels are too small"):
        load("imagefolder", data_dir=folder, image_size=wrong)


# --- what decides a result --------------------------------------------------------------------------------------------


def test_the_checksum_is_of_names_and_contents_not_of_the_place(folder, tmp_path_factory):
    before, copy = folder_checksum(folder), tmp_path_factory.mktemp("copy")
    for path in sorted(folder.rglob("*.png")):
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (copy / "train/ant/notes.txt").write_text("words")
    assert folder_checksum(copy) == before
    save(copy / "train/ant/0.png", 41)
    assert folder_checksum(copy) != before


def test_the_cache_sees_two_files_change_places(folder):
    """Bitmaps of one size, with equal times: only the entries in the folder have changed."""
    first, second = (save(folder / f"train/ant/{name}.bmp", level) for name, level in (("a", 10), ("b", 90)))
    second.rename(folder / "train/bee/b.bmp")
    second = folder / "train/bee/b.bmp"
    for path in (first, second):
        os.utime(path, ns=(1, 1))
    assert found(folder) == sorted([*PLAIN, ("ant", 10), ("bee", 90)])
    content = first.read_bytes(), second.read_bytes()
    for path, bytes_ in zip((second, first), content, strict=True):
        path.write_bytes(bytes_)
        os.utime(path, ns=(1, 1))
    assert found(folder) == sorted([*PLAIN, ("ant", 90), ("bee", 10)])


# --- any folder at all ------------------------------------------------------------------------------------------------

READ = ("png", "jpg", "bmp", "gif", "webp", "tif", "deep.png", "alpha.png", "nested/deep/er.png")
LEFT_OUT = ("txt", "csv", "hidden", "thumbs")
REFUSED = ("empty.png", "heic", "link")


def place(inside: Path, i: int, kind: str, level: int, draw: random.Random) -> None:
    """One entry of a class folder."""
    if kind == "deep.png":
        Image.fromarray(np.full((SIDE, SIDE), 257 * level, np.uint16)).save(inside / f"{i}.png")
    elif kind == "alpha.png":
        save(inside / f"{i}.png", level, mode="RGBA")
    elif kind in READ:
        save(inside / (f"{i}.{kind}" if "/" not in kind else f"{i}/{kind}"), level)
    elif kind == "link":
        (inside / f"{i}.png").symlink_to(inside / "absent")
    elif kind == "mutated":
        content = bytearray(save(inside / f"{i}.png", level).read_bytes())
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (inside / f"{i}.png").write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
    else:
        names = {"hidden": f"._{i}.png", "thumbs": "Thumbs.db", "empty.png": f"{i}.png"}
        (inside / names.get(kind, f"{i}.{kind}")).write_bytes(b"" if kind == "empty.png" else b"words")


ENTRIES = st.lists(st.sampled_from([*READ * 3, *LEFT_OUT * 2, *REFUSED, "mutated"]), max_size=6)


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 40)), deadline=None)
@given(train=st.tuples(ENTRIES, ENTRIES), test=st.tuples(ENTRIES, ENTRIES), seed=st.integers(0, 10**6))
def test_any_folder_is_read_without_loss_or_refused_by_name(train, test, seed, tmp_path_factory):
    root, draw, wanted = tmp_path_factory.mktemp("any"), random.Random(seed), {}
    for part, classes in (("train", train), ("test", test)):
        for (name, level), kinds in zip(LEVELS.items(), classes, strict=True):
            (root / part / name).mkdir(parents=True)
            for i, kind in enumerate(kinds):
                place(root / part / name, i, kind, level, draw)
            wanted[part, name] = sum(kind in READ for kind in kinds)
    kinds = {kind for entries in (*train, *test) for kind in entries}
    try:
        split = dict(zip(("train", "test"), read_folder(root)[:2], strict=True))
    except (ValueError, FileNotFoundError) as error:
        assert str(root) in str(error) and "\n" not in str(error)
        empty = not all(wanted["train", name] for name in LEVELS) or not wanted["test", "ant"] + wanted["test", "bee"]
        assert empty or kinds & {*REFUSED, "mutated"}, f"refused without need: {error}"
        return
    assert not kinds & set(REFUSED)
    for part, classes in (("train", train), ("test", test)):
        for label, (name, level) in enumerate(LEVELS.items()):
            images = split[part].images[split[part].labels == label].float()
            extra = classes[label].count("mutated")  # a change may leave an image that can be read
            assert len(images) == wanted[part, name] + extra
            assert ((images - level).abs().amax(dim=(1, 2, 3)) <= 3).sum() >= wanted[part, name]
