"""ImageNet's weights and names: found, held to their checksums, downloaded, or asked for by name."""

import hashlib
import json
from pathlib import Path

import pytest

from components.errors import DataRejected
from pipelines.common.config import Data
from pipelines.common.datasets import imagenet
from pipelines.common.datasets.definition import Download, Release
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.image_transfer import MODEL, prepare

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DATA = Data("path", Path("/photos"), "*/*", class_names=("cup", "tree"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; and a published file of weights, at an address of this machine."""
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DARSENA_DATA", raising=False)
    published = tmp_path / "published.h5"
    published.write_bytes(CONTENT)
    release = Release((Download("weights.h5", published.as_uri(), SHA256, len(CONTENT)),))
    monkeypatch.setitem(imagenet.WEIGHTS, "MobileNetV2", (release,))
    return tmp_path / "cache"


def hparams(**others: object) -> dict:
    return {**MODEL.hparams, **others}


def test_published_weights_are_downloaded_once_and_their_checksum_is_part_of_the_run(cache: Path, tmp_path: Path) -> None:
    for _ in range(2):
        found, data = prepare(hparams(weights="imagenet"), DATA)
        assert (found["weights"], found["weights_sha256"]) == (str(cache / "imagenet_models/weights.h5"), SHA256)
        assert data is DATA
        (tmp_path / "published.h5").unlink(missing_ok=True)


def test_a_wrong_download_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "published.h5").write_bytes(b"another")
    with pytest.raises(DarsenaError, match=f"expected the published content .sha256 {SHA256}. .* Or give a file of such weights as --set"):
        prepare(hparams(weights="imagenet"), DATA)
    assert list((cache / "imagenet_models").iterdir()) == []


def test_without_a_network_it_is_told_where_a_file_may_be_put(tmp_path: Path) -> None:
    (tmp_path / "published.h5").unlink()
    with pytest.raises(DarsenaError, match=r"could not download it .*imagenet_models of \$DARSENA_DATA.* --set weights=PATH"):
        prepare(hparams(weights="imagenet"), DATA)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    own = tmp_path / "own.weights.h5"
    own.write_bytes(b"mine")
    found, _ = prepare(hparams(weights=str(own)), DATA)
    assert (found["weights"], found["weights_sha256"]) == (str(own), hashlib.sha256(b"mine").hexdigest())
    with pytest.raises(UsageError, match=f"expected {own} to have the sha256 {SHA256}, received {found['weights_sha256']}"):
        prepare(hparams(weights=str(own), weights_sha256=SHA256), DATA)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"weights": "nowhere.h5"}, r"expected weights in nowhere.h5, could not read it: No such file"),
        ({"weights": "model.pkl"}, r"expected weights to be imagenet or a file of Keras weights .* received 'model.pkl'"),
        ({"weights": "imagenet", "width": 0.5}, r"expected width 1.0 with weights imagenet, received 0.5"),
        ({"weights": "imagenet", "backbone": "VGG16"}, r"checksum is not known here: download https://.*vgg16.* --set weights=PATH"),
        ({"backbone": "VGG17"}, r"expected backbone to be EfficientNetV2B0, MobileNetV2 or VGG16, received 'VGG17'"),
        ({"head": "old"}, r"expected head to be new or imagenet, received 'old'"),
        ({"stages": 5}, r"expected stages to be from 1 to 4, received 5"),
    ],
)
def test_what_cannot_be_had_is_wrong_usage(others: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare(hparams(**others), DATA)


def test_the_classifiers_folders_are_classes_of_imagenet(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = {str(number): [f"n{number}", f"kind_{number}"] for number in range(1000)} | {"134": ["n134", "crane"], "517": ["n517", "crane"]}
    content = json.dumps(index).encode()
    monkeypatch.setattr(imagenet, "CLASS_INDEX", Release((Download("index.json", "", hashlib.sha256(content).hexdigest(), len(content)),)))
    (cache / "imagenet_models").mkdir(parents=True)
    (cache / "imagenet_models/index.json").write_bytes(content)

    def names(*folders: str) -> tuple[str, ...]:
        return prepare(hparams(head="imagenet"), Data("path", Path("/photos"), "*/*", class_names=folders))[1].class_names

    found = names("kind 7", "crane (517)")
    assert (len(found), found[7], found[134], found[517]) == (1000, "kind 7", "crane (134)", "crane (517)")
    with pytest.raises(DataRejected, match=r"named as classes of ImageNet, received 'kind_8'. Did you mean 'kind 8'"):
        names("kind 7", "kind_8")
    with pytest.raises(DataRejected, match="received none"):
        names()


def test_both_files_of_names_agree_where_the_photos_are(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARSENA_DATA", str(real_data))
    names = imagenet.class_names()
    assert len(set(names)) == 1000
    known = {
        0: "tench",
        134: "crane (134)",
        207: "golden retriever",
        281: "tabby",
        504: "coffee mug",
        517: "crane (517)",
        999: "toilet tissue",
    }
    assert {number: names[number] for number in known} == known
