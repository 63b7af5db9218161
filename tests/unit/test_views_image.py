"""The view `image`: the same picture gives the same pixels however it comes, and what is no picture is named."""

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from quorate.errors import InvalidInput, InvalidRows, InvalidSpec
from quorate.views import Limits, Preprocessor, fit_preprocessor, load_preprocessor
from tests.support.hostile import bomb

RNG = np.random.default_rng(0)


def cells(*values: object) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def encoded(pixels: np.ndarray[Any, Any] | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def loaded(limits: Limits | None = None, **parameters: Any) -> Preprocessor:
    return load_preprocessor("image", {"scale": 1.0, **parameters}, {}, limits)


def pixels_of(preprocessor: Preprocessor, column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return preprocessor.transform({"image": column})["pixels"]


@settings(deadline=None)
@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
    ),
    st.sampled_from([(4, 5), (8, 8), (1, 1)]),
    st.sampled_from([1, 3]),
)
def test_png_and_raw_pixels_mean_the_same(raw: np.ndarray[Any, Any], size: tuple[int, int], channels: int) -> None:
    preprocessor = loaded(size=size, channels=channels)
    files = cells(*[encoded(picture[..., 0] if picture.shape[-1] == 1 else picture) for picture in raw])
    np.testing.assert_array_equal(pixels_of(preprocessor, files), pixels_of(preprocessor, raw))


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (2, 4, 4, 3)))
def test_grey_is_the_same_sum_as_pillows(raw: np.ndarray[Any, Any]) -> None:
    grey = pixels_of(loaded(size=(4, 4), channels=1), raw)[:, 0]
    np.testing.assert_array_equal(grey, [np.asarray(Image.fromarray(picture).convert("L")) for picture in raw])


def test_pixels_are_scaled_and_normalised_by_channel() -> None:
    raw = np.full((1, 2, 2, 3), 255, dtype=np.uint8)
    result = pixels_of(loaded(size=(2, 2), scale=255, mean=[0.5, 0, 1], std=[0.5, 1, 1]), raw)
    assert result.dtype == np.float32
    assert result.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(result[0, :, 0, 0], [1, 1, 0], atol=1e-6)
    last = pixels_of(loaded(size=(2, 2), layout="nhwc"), raw)
    assert last.shape == (1, 2, 2, 3)


def test_fitting_finds_size_channels_and_spread() -> None:
    raw = RNG.integers(0, 256, (20, 8, 6)).astype(np.uint8)
    fitted = fit_preprocessor("image", {"image": cells(*[encoded(picture) for picture in raw])})
    assert fitted.parameters()["size"] == [8, 6]
    assert fitted.parameters()["channels"] == 1
    result = pixels_of(fitted, raw)
    assert abs(result.mean()) < 1e-4
    assert abs(result.std() - 1) < 1e-4
    again = load_preprocessor("image", json.loads(json.dumps(fitted.parameters())))
    np.testing.assert_array_equal(pixels_of(again, raw), result)
    assert fit_preprocessor("image", {"image": raw}).parameters() == fitted.parameters()


def test_large_pictures_are_fitted_smaller_in_their_own_shape() -> None:
    photo = encoded(RNG.integers(0, 256, (100, 200, 3)).astype(np.uint8), "JPEG")
    fitted = fit_preprocessor("image", {"image": cells(photo, photo)}, {"max_side": 64})
    assert fitted.parameters()["size"] == [32, 64]
    assert fitted.parameters()["channels"] == 3
    assert pixels_of(fitted, cells(photo)).shape == (1, 3, 32, 64)


def test_transparent_pictures_lie_on_white_and_deep_grey_becomes_eight_bits() -> None:
    clear = encoded(np.zeros((2, 2, 4), dtype=np.uint8))
    assert (pixels_of(loaded(size=(2, 2)), cells(clear)) == 255).all()
    deep = encoded(Image.fromarray(np.full((2, 2), 0x8000, dtype=np.uint16)))
    assert (pixels_of(loaded(size=(2, 2), channels=1), cells(deep)) == 0x80).all()
    palette = encoded(Image.new("P", (2, 2), 0), transparency=b"\x00")
    assert (pixels_of(loaded(size=(2, 2)), cells(palette)) == 255).all()


def test_a_photo_is_turned_the_way_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    half = np.zeros((16, 16), dtype=np.uint8)
    half[:8] = 255
    turned = pixels_of(loaded(size=(16, 16), channels=1), cells(encoded(half, "JPEG", exif=exif)))[0, 0]
    assert turned[:8].mean() < 50 < 200 < turned[8:].mean()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty: no picture"),
        (b"hello world", "no JPEG or PNG: it starts with b'hello wo'"),
        (encoded(np.zeros((9, 9), dtype=np.uint8), "GIF"), "no JPEG or PNG"),
        (encoded(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8))[:5000], "broken or truncated"),
        (encoded(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8), "JPEG")[:1500], "broken or truncated"),
        (b"\xff\xd8\xff\xe0", "broken or truncated picture: its header"),
        (bomb(5000, 5000), "5000x5000 pixels; at most 16000000"),
        (bomb(12_000, 12_000), "pixels"),
        (bomb(60_000, 60_000), "far more than the 16000000 pixels"),
        (bomb(200, 200), "broken or truncated"),
        ("text", "str where the bytes"),
        (None, "NoneType where the bytes"),
    ],
)
def test_what_is_no_picture_rejects_its_row_and_says_why(data: object, expected: str) -> None:
    good = encoded(np.zeros((2, 2), dtype=np.uint8))
    with pytest.raises(InvalidRows, match=expected) as raised:
        pixels_of(loaded(size=(2, 2)), cells(good, data, good))
    assert list(raised.value.reasons) == [1]


@settings(deadline=None)
@given(st.binary(max_size=40), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]))
def test_any_bytes_are_read_or_refused_as_a_row(data: bytes, start: bytes) -> None:
    with pytest.raises(InvalidRows):
        pixels_of(loaded(size=(2, 2)), cells(start + data))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.ones((2, 4, 4), dtype=np.float32), "holds float32"),
        (np.ones(4, dtype=np.uint8), r"shape \[4\]"),
        (np.ones((2, 4, 4, 2), dtype=np.uint8), r"shape \[2, 4, 4, 2\]"),
        (np.ones((2, 0, 4), dtype=np.uint8), r"shape \[2, 0, 4\]"),
        (cells(b"x", b"y").reshape(2, 1), r"shape \[2, 1\]"),
        (np.ones((1, 9, 9), dtype=np.uint8), "9x9 pixels; at most 80"),
    ],
)
def test_a_column_of_the_wrong_kind_is_refused(column: np.ndarray[Any, Any], expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        pixels_of(loaded(Limits(max_image_pixels=80), size=(2, 2)), column)


def test_no_rows_give_no_pixels() -> None:
    assert pixels_of(loaded(size=(2, 2)), cells()).shape == (0, 3, 2, 2)
    assert pixels_of(loaded(size=(2, 2)), np.empty((0, 5, 5), dtype=np.uint8)).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "size"),
        ({"size": [0, 4]}, "size"),
        ({"size": [4]}, "size"),
        ({"size": [4, 4], "channels": 2}, "channels"),
        ({"size": [4, 4], "mean": [0.5]}, "one a channel"),
        ({"size": [4, 4], "std": [0.0, 1.0, 1.0]}, "std"),
        ({"size": [4, 4], "scale": 0}, "scale"),
        ({"size": [4, 4], "layout": "chw"}, "layout"),
        ({"size": [4, 4], "surprise": 1}, "surprise"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_field(parameters: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidSpec, match=expected):
        load_preprocessor("image", parameters)
