import numpy as np
import pytest

from components.arrays import load_arrays, save_arrays


def test_strings_and_numbers_come_back_as_they_were(tmp_path):
    texts = np.array([[b"", b"nul at the end\0"], [b"\0\xff", b"x" * 1000]], object)
    numbers = np.array([[1.5, np.inf]], np.float16)
    save_arrays(tmp_path / "a.npz", {"texts": texts, "file": numbers, "none": np.empty([0, 3], np.uint8)})

    loaded = load_arrays(tmp_path / "a.npz")

    assert loaded.keys() == {"texts", "file", "none"}
    assert loaded["texts"].tolist() == texts.tolist()
    assert loaded["file"].dtype == np.float16 and loaded["file"].tolist() == numbers.tolist()
    assert loaded["none"].shape == (0, 3)


def test_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(TypeError, match="expected 'x' to hold bytes, received dict"):
        save_arrays(tmp_path / "a.npz", {"x": np.array([{}], object)})
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_arrays(tmp_path / "pickled.npz")
