"""Image files of every kind, and the folder layouts that hold them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab import images
from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.images import decode


def picture(h=48, w=48, seed=0):
    """A smooth grey picture without symmetry: resizing and turning it can be told apart."""
    y, x = np.mgrid[:h, :w]
    return (40 + 150 * x / w + 40 * (y / h) ** 2 + 5 * np.sin(seed + x / 3)).astype(np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


# decoding


def test_a_48x48_grey_png_is_taken_as_it_is(tmp_path):
    assert np.array_equal(decode(save(tmp_path / "ä b.png", noise(1))), noise(1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "1"])
def test_every_mode_becomes_grey_as_pillow_has_it(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    suffix = {"CMYK": "tiff", "YCbCr": "jpg"}.get(mode, "png")
    face = decode(save(tmp_path / f"a.{suffix}", image))
    expected = picture() if mode != "1" else np.asarray(image.convert("L"))
    assert face.dtype == np.uint8
    assert face.shape == (48, 48)
    assert np.abs(face.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "CMYK", "1", "I;16", "F"])
def test_whole_pictures_keep_size_and_colours(tmp_path, mode):
    colours = np.random.default_rng(9).integers(0, 256, (30, 50, 3), np.uint8)
    if mode in ("I;16", "F"):
        given = colours[..., 0].astype(np.uint16) * 257 if mode == "I;16" else colours[..., 0].astype(np.float32) / 255
        file, expected = save(tmp_path / "a.tiff", given), np.repeat(colours[..., :1], 3, 2)
    else:
        image = Image.fromarray(colours).convert(mode)
        if mode == "RGBA":
            image.putalpha(40)  # is left out
        file, expected = save(tmp_path / "a.tiff", image), np.asarray(image.convert("RGB"))
    found = images.picture(file)
    assert (found.dtype, found.shape) == (np.uint8, (30, 50, 3))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_is_scaled_and_not_clipped(tmp_path, suffix):
    deep = noise(2).astype(np.uint16) * 257
    face = decode(save(tmp_path / f"a.{suffix}", deep))
    assert np.array_equal(face, noise(2))
    assert abs(face.mean() - deep.mean() / 257) < 1


def test_float_tiff_in_0_to_1_is_scaled_and_any_other_refused(tmp_path):
    unit = noise(3).astype(np.float32) / 255
    assert np.array_equal(decode(save(tmp_path / "a.tiff", unit)), noise(3))
    for bad in (unit * 255, unit - 0.5, np.where(unit > 0.9, np.nan, unit)):
        with pytest.raises(FerlabError, match=r"b\.tiff is a floating-point image"):
            decode(save(tmp_path / "b.tiff", bad))


def test_exif_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise
    path = save(tmp_path / "a.png", picture(), exif=exif)
    assert np.array_equal(decode(path), np.rot90(picture(), -1))


def test_of_an_animation_the_first_picture(tmp_path):
    frames = [Image.fromarray(np.full((48, 48), v, np.uint8)) for v in (10, 200, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.unique(decode(tmp_path / "a.gif")).tolist() == [10]


@pytest.mark.parametrize("size", [(20, 31), (64, 64), (490, 640)])
def test_other_sizes_are_resized_with_antialiasing(tmp_path, size):
    image = Image.fromarray(picture(*size))
    assert np.array_equal(decode(save(tmp_path / "a.png", image)), image.resize((48, 48), Image.Resampling.BILINEAR))
    stripes = np.tile(np.array([0, 255], np.uint8), (96, 48))
    assert np.abs(decode(save(tmp_path / "b.png", stripes))[:, 1:-1].astype(int) - 128).max() <= 2


def broken(folder):
    good = save(folder / "good.jpg", noise(4), quality=95).read_bytes()
    whole = save(folder / "good.png", np.tile(noise(4), (4, 4))).read_bytes()
    return {
        "cut.jpg": good[: len(good) // 2],
        "cut.png": whole[: len(whole) // 2],
        "header.png": whole[:30],
        "empty.png": b"",
        "text.png": b"this is text",
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    }


@pytest.mark.parametrize(
    "name", ["cut.jpg", "cut.png", "header.png", "empty.png", "text.png", "page.jpg", "drawing.svg"]
)
def test_what_is_no_whole_image_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(broken(tmp_path)[name])
    with pytest.raises(FerlabError, match=name):
        decode(tmp_path / name)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    for side in (20_000, 8_000):
        Image.new("1", (side, side)).save(tmp_path / "bomb.png")
        with pytest.raises(FerlabError, match=r"bomb\.png has .*pixels"):
            decode(tmp_path / "bomb.png")


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("gone.png", "loop.png", "folder.png", "not there.png"):
        with pytest.raises(FerlabError, match=name):
            decode(tmp_path / name)


# class folders


def class_tree(root, names=EXPRESSIONS, each=4):
    for k, name in enumerate(names):
        for i in range(each):
            save(root / name / f"{i}.png", noise(100 * k + i))
    return root


@pytest.mark.parametrize("form", ["{}", "{:.3}", "{} faces", "upper", "number"])
def test_class_folders_by_any_known_name(tmp_path, form):
    names = {
        "upper": [e.upper() for e in EXPRESSIONS],
        "number": [f"{k} {e}" for k, e in enumerate(EXPRESSIONS)],
        "{:.3}": ["ang", "dis", "fea", "hap", "sa", "sur", "neu"],
        "{}": ["anger", "Disgust", "fearful", "Happiness", "sadness", "surprised", "neutral"],
    }.get(form)
    if names is None:
        with pytest.raises(FerlabError, match=r"'angry faces' is no expression.*Rename"):
            sources.read("class_folders", class_tree(tmp_path, [f"{e} faces" for e in EXPRESSIONS]))
        return
    faces = sources.read("class_folders", class_tree(tmp_path, names), split="train")
    assert faces.class_counts("train") == dict.fromkeys(EXPRESSIONS, 4)
    for i in range(len(faces)):
        k = faces.labels[i]
        assert faces.origin(i) == f"{names[k]}/{i % 4}.png"
        assert np.array_equal(faces.pixels[i], noise(100 * k + i % 4))


def people_tree(root, people=10, each=3):
    for k, name in enumerate(EXPRESSIONS):
        for person in range(people):
            for i in range(each):
                save(root / name / f"p{person:02d}-{1000 + i}.png", noise(1000 * k + 10 * person + i))
    return root


def test_class_folders_are_split_by_the_person_in_the_name(tmp_path):
    faces = sources.read("class_folders", people_tree(tmp_path), groups="subject", val_share=0.1, test_share=0.2)
    person = [int(faces.origin(i).split("/")[1][1:3]) for i in range(len(faces))]
    assert faces.subject.tolist() == person
    of_split = [set(faces.subject[faces.split == s].tolist()) for s in range(3)]
    assert [len(people) for people in of_split] == [7, 1, 2]
    assert len(set.union(*of_split)) == 10
    by_face = sources.read("class_folders", tmp_path, val_share=0.1, test_share=0.2)
    assert [int((by_face.split == s).sum()) for s in range(3)] == [147, 21, 42]
    assert any(len(set(by_face.split[faces.subject == p].tolist())) > 1 for p in range(10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "subject"}, r"0\.png: expected a name like p01-7\.png"),
        ({"groups": "people"}, "groups is 'people'; choose face or subject"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave none of 28 to train on"),
    ],
)
def test_groups_and_shares_that_cannot_be(tmp_path, options, message):
    with pytest.raises(FerlabError, match=message):
        sources.read("class_folders", class_tree(tmp_path), **options)


def test_class_folders_are_split_by_a_seeded_hash(tmp_path):
    class_tree(tmp_path, each=20)
    shutil.copy(tmp_path / "sad" / "3.png", tmp_path / "angry" / "copy.png")
    a, b, c = (sources.read("class_folders", tmp_path, seed=s) for s in (0, 0, 1))
    assert np.array_equal(a.split, b.split)
    assert not np.array_equal(a.split, c.split)
    assert [(a.split == s).sum() for s in (1, 2)] == [14, 14]
    twins = [i for i, face in enumerate(a.pixels) if np.array_equal(face, noise(403))]
    assert len(twins) == 2
    assert len(set(a.split[twins])) == 1  # identical images never part


def test_junk_is_passed_over_and_contempt_left_out(tmp_path, caplog):
    class_tree(tmp_path / "wrapped" / "faces", ["happy", "sad", "contempt"])
    for name in (".DS_Store", "happy/.DS_Store", "happy/Thumbs.db", "sad/._0.png", "sad/desktop.ini"):
        (tmp_path / "wrapped" / "faces" / name).write_text("junk")
    (tmp_path / "__MACOSX" / "happy").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    with caplog.at_level("INFO"):
        faces = sources.read("class_folders", tmp_path)
    assert len(faces) == 8
    assert "left out 4 faces" in caplog.text


def test_loops_of_links_end(tmp_path):
    class_tree(tmp_path, ["happy", "sad"])
    (tmp_path / "happy" / "again").symlink_to(tmp_path / "happy")
    (tmp_path / "sad" / "up").symlink_to(tmp_path)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "loop").symlink_to(tmp_path / "only")
    with pytest.raises(FerlabError, match="only"):
        sources.read("class_folders", tmp_path / "only")
    shutil.rmtree(tmp_path / "only")
    (tmp_path / "sad" / "up").unlink()
    assert len(sources.read("class_folders", tmp_path)) == 8
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked").symlink_to(tmp_path / "happy")
    (tmp_path / "elsewhere" / "linked").rename(tmp_path / "elsewhere" / "happy")
    assert len(sources.read("class_folders", tmp_path / "elsewhere", split="train")) == 4


def test_a_bad_image_is_named_or_counted(tmp_path, caplog):
    class_tree(tmp_path, ["happy", "sad"])
    (tmp_path / "sad" / "2.png").write_text("no image")
    with pytest.raises(FerlabError, match=r"sad/2\.png"):
        sources.read("class_folders", tmp_path)
    faces = sources.read("class_folders", tmp_path, strict=False)
    assert len(faces) == 7
    assert [faces.origin(i) for i in (5, 6)] == ["sad/1.png", "sad/3.png"]
    assert "left out 1 of 8 files" in caplog.text
    assert "2.png" in caplog.text


def test_folders_without_classes_or_images(tmp_path):
    with pytest.raises(FerlabError, match=r"holds no class folder.*angry, disgust"):
        sources.read("class_folders", tmp_path)
    (tmp_path / "happy").mkdir()
    with pytest.raises(FerlabError, match="no images"):
        sources.read("class_folders", tmp_path)
    save(tmp_path / "happy" / "1.png", noise(0))
    with pytest.raises(FerlabError, match="split: train"):
        sources.read("class_folders", tmp_path)  # one face makes no three splits
    assert len(sources.read("class_folders", tmp_path, split="train")) == 1
    with pytest.raises(FerlabError, match="choose one of train, val, test"):
        sources.read("class_folders", tmp_path, split="training")
    with pytest.raises(FerlabError, match="is no folder"):
        sources.read("class_folders", tmp_path / "nowhere")
    class_tree(tmp_path / "train", ["happy"])
    with pytest.raises(FerlabError, match="image_folders"):
        sources.read("class_folders", tmp_path)


# Kaggle's image folders


def kaggle(root):
    for i, usage in enumerate(["Training", "PublicTest", "PrivateTest"] * 7):
        part = "train" if usage == "Training" else "test"
        save(root / part / EXPRESSIONS[i // 3] / f"{usage}_{i}.png", noise(i))
    return root


@pytest.mark.parametrize("layout", ["image_folders", "fer2013"])
def test_file_names_tell_public_from_private(tmp_path, layout):
    faces = sources.read(layout, kaggle(tmp_path))
    assert [(faces.split == s).sum() for s in range(3)] == [7, 7, 7]
    for i in range(21):
        number = int(Path(faces.origin(i)).stem.split("_")[1])
        assert faces.split[i] == number % 3
        assert faces.labels[i] == number // 3
        assert np.array_equal(faces.pixels[i], noise(number))


def test_names_that_do_not_tell_are_an_error(tmp_path):
    kaggle(tmp_path)
    path = save(tmp_path / "test" / "happy" / "17.png", noise(0))
    with pytest.raises(FerlabError, match=r"happy/17\.png: .*PublicTest_"):
        sources.read("fer2013", tmp_path)
    path.unlink()
    path = save(tmp_path / "train" / "happy" / "PrivateTest_1.png", noise(0))
    with pytest.raises(FerlabError, match=r"_1\.png is of PrivateTest by its name and of train by its folder"):
        sources.read("image_folders", tmp_path)
    path.rename(path.with_name("17.png"))
    assert len(sources.read("image_folders", tmp_path)) == 22  # train/ tells enough
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(FerlabError, match="expected train/CLASS and test/CLASS, found train"):
        sources.read("image_folders", tmp_path)


# CK+ and JAFFE


def cmu(root, subjects=6):
    """Subject s shows emotion values s and s + 1 in two sequences of five frames; the third has no Emotion file."""
    for s in range(1, subjects + 1):
        for q in (1, 2, 3):
            stem, folder = f"S{s:03d}_{q:03d}", f"S{s:03d}/{q:03d}"
            for f in range(1, 6):
                save(root / "cohn-kanade-images" / folder / f"{stem}_{f:08d}.png", noise(1000 * s + 10 * q + f))
            (root / "Emotion" / folder).mkdir(parents=True)
            if q < 3:
                value = (s + q - 1) % 8
                (root / "Emotion" / folder / f"{stem}_00000005_emotion.txt").write_text(f"   {value:.7e}\n")
    return root


def test_ck_plus_as_cmu_has_it(tmp_path, caplog):
    (tmp_path / "deeper").mkdir()
    with caplog.at_level("INFO"):
        faces = sources.read("ck_plus", cmu(tmp_path / "deeper"))
    names = ("neutral", "angry", None, "disgust", "fear", "happy", "sad", "surprise")
    seen = {}
    for i in range(len(faces)):
        s, q, f = (int(part.lstrip("S")) for part in Path(faces.origin(i)).stem.split("_"))
        seen.setdefault((s, q), []).append((f, EXPRESSIONS[faces.labels[i]]))
        assert faces.subject[i] == s
        assert np.array_equal(faces.pixels[i], noise(1000 * s + 10 * q + f))
    expected = {}
    for s in range(1, 7):
        for q in (1, 2):
            if name := names[(s + q - 1) % 8]:
                expected[s, q] = [(1, "neutral"), (3, name), (4, name), (5, name)]
    assert seen == expected
    assert "6 sequences without Emotion file" in caplog.text
    assert "2 sequences of contempt" in caplog.text


def test_no_subject_stands_in_two_splits(tmp_path):
    faces = sources.read("ck_plus", cmu(tmp_path, subjects=12))
    for subject in np.unique(faces.subject):
        assert len(np.unique(faces.split[faces.subject == subject])) == 1
    assert set(faces.split) == {0, 1, 2}
    other = sources.read("ck_plus", tmp_path, seed=5)
    assert not np.array_equal(faces.split, other.split)
    assert not sources.read("ck_plus", tmp_path, split="train").split.any()


def test_ck_plus_frames_are_cut_to_the_face(tmp_path):
    cmu(tmp_path)
    frame = np.zeros((490, 640), np.uint8)
    frame[100:300, 200:400] = 255
    for file in tmp_path.rglob("S001_001_*.png"):
        save(file, frame)
    path = tmp_path / "Landmarks" / "S001" / "001" / "S001_001_00000001_landmarks.txt"
    path.parent.mkdir(parents=True)
    path.write_text("  2.6e+02  1.6e+02\n  3.4e+02  2.4e+02\n")
    faces = sources.read("ck_plus", tmp_path)
    of = {Path(faces.origin(i)).name: faces.pixels[i] for i in range(len(faces))}
    assert of["S001_001_00000001.png"].min() == 255  # within the landmarks
    centre = Image.fromarray(frame[:, 75:565]).resize((48, 48), Image.Resampling.BILINEAR)
    assert np.array_equal(of["S001_001_00000005.png"], centre)
    path.write_text("what?")
    with pytest.raises(FerlabError, match="S001_001_00000001_landmarks"):
        sources.read("ck_plus", tmp_path)


@pytest.mark.parametrize("text", ["", "8", "1.5", "happy", "-1", "nan"])
def test_a_bad_emotion_file_is_named(tmp_path, text):
    cmu(tmp_path)
    (tmp_path / "Emotion/S002/001/S002_001_00000005_emotion.txt").write_text(text)
    with pytest.raises(FerlabError, match=r"S002_001_00000005_emotion\.txt.*0 to 7"):
        sources.read("ck_plus", tmp_path)


def test_ck_plus_without_emotion_or_images(tmp_path):
    cmu(tmp_path)
    shutil.rmtree(tmp_path / "Emotion")
    with pytest.raises(FerlabError, match="unpack Emotion too"):
        sources.read("ck_plus", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerlabError, match=r"holds no CK\+ image"):
        sources.read("ck_plus", tmp_path / "empty")


def test_ck48_folders_in_any_order_and_case(tmp_path):
    for s, name in enumerate(["Surprise", "anger", "CONTEMPT", "sadness", "Fear", "happy", "disgust"]):
        for t in range(3):
            save(tmp_path / "CK+48" / name / f"S{10 + (s + t) % 5:03d}_004_{t:08d}.png", noise(10 * s + t))
    faces = sources.read("ck_plus", tmp_path)
    assert len(faces) == 18
    for i in range(18):
        name = Path(faces.origin(i))
        assert EXPRESSIONS[faces.labels[i]][:3] == name.parts[-2][:3].lower()
        assert faces.subject[i] == int(name.stem[1:4])
    for subject in np.unique(faces.subject):
        assert len(np.unique(faces.split[faces.subject == subject])) == 1
    save(tmp_path / "CK+48" / "happy" / "me.png", noise(0))
    with pytest.raises(FerlabError, match=r"happy/me\.png: expected a name like S010_004_00000017\.png"):
        sources.read("ck_plus", tmp_path)


def test_jaffe(tmp_path):
    codes = {
        "AN": "angry",
        "DI": "disgust",
        "FE": "fear",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    }
    people = ["KA", "KL", "KM", "KR", "MK"]
    for p, person in enumerate(people):
        for c, code in enumerate(codes):
            image = Image.fromarray(picture(256, 256, seed=10 * p + c))
            save(tmp_path / "jaffe" / f"{person}.{code}1.{p * 7 + c}.tiff", image)
    (tmp_path / "jaffe" / "README_FIRST.txt").write_text("read me")
    (tmp_path / "jaffe" / ".DS_Store").write_text("junk")
    faces = sources.read("jaffe", tmp_path)
    assert len(faces) == 35
    for i in range(35):
        person, code, *_ = Path(faces.origin(i)).name.split(".")
        assert EXPRESSIONS[faces.labels[i]] == codes[code[:2]]
        assert faces.subject[i] == people.index(person)
    split_of = [set(faces.split[faces.subject == s]) for s in range(5)]
    assert all(len(s) == 1 for s in split_of)
    assert set.union(*split_of) == {0, 1, 2}
    save(tmp_path / "jaffe" / "KA.XX1.99.tiff", noise(0))
    with pytest.raises(FerlabError, match=r"KA\.XX1\.99\.tiff: XX is no expression"):
        sources.read("jaffe", tmp_path)
    (tmp_path / "jaffe" / "KA.XX1.99.tiff").rename(tmp_path / "jaffe" / "me.tiff")
    with pytest.raises(FerlabError, match=r"me\.tiff: expected a name like KA\.AN1\.39\.tiff"):
        sources.read("jaffe", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerlabError, match="holds no JAFFE image"):
        sources.read("jaffe", tmp_path / "empty")
