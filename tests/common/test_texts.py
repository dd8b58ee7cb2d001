"""Generated and published texts: sentences, reviews and messages."""

import hashlib
import io
import json
import lzma
import random
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC

from pipelines.common.datasets import grammar, opinions, reviews
from pipelines.common.datasets.definition import DataSet
from pipelines.common.datasets.reviews import REVIEWS
from pipelines.common.datasets.sentences import SENTENCES
from pipelines.common.datasets.sms import MESSAGES

Rows = list[tuple[str, int]]


def rows_of(file: Path) -> Rows:
    lines = [line for line in file.read_text(encoding="utf-8").split("\n") if line]
    if file.suffix == ".jsonl":
        return [(row["text"], row["label"]) for row in map(json.loads, lines)]
    if file.name == "messages.txt":
        return [(text, ("ham", "spam").index(label)) for label, text in (line.split("\t") for line in lines)]
    return [(text, int(label)) for text, label in (line.split("\t") for line in lines)]


@pytest.fixture(scope="module", params=[SENTENCES, REVIEWS, MESSAGES], ids=lambda dataset: dataset.name)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, dict[str, Rows]]:
    """A data set and the rows of each file of its sample."""
    folder = tmp_path_factory.mktemp(request.param.name)
    request.param.write_sample(folder)
    return request.param, {file.name: rows_of(file) for file in sorted(folder.iterdir())}


def test_samples_have_their_size_and_balance(sample: tuple[DataSet, dict[str, Rows]]) -> None:
    dataset, files = sample
    counts = {name: (len(rows), sum(label for _, label in rows)) for name, rows in files.items()}
    expected = {
        "sentences": {"amazon_cells_labelled.txt": (1000, 500), "imdb_labelled.txt": (1000, 500), "yelp_labelled.txt": (1000, 500)},
        "imdb": {"reviews.jsonl": (2000, 1000)},
        "sms": {"messages.txt": (2000, 334)},
    }[dataset.name]
    assert {name: count for name, (count, _) in counts.items()} == {name: count for name, (count, _) in expected.items()}
    for name, (count, positive) in expected.items():
        # A few labels are wrong, either way.
        assert abs(counts[name][1] - positive) <= 0.015 * count


def test_samples_are_the_same_each_time(sample: tuple[DataSet, dict[str, Rows]], tmp_path: Path) -> None:
    dataset, files = sample
    dataset.write_sample(tmp_path)
    assert {file.name: rows_of(file) for file in sorted(tmp_path.iterdir())} == files


def test_no_text_of_a_file_is_there_twice_or_unfinished(sample: tuple[DataSet, dict[str, Rows]]) -> None:
    for rows in sample[1].values():
        texts = [" ".join(text.casefold().split()) for text, _ in rows]
        assert len(set(texts)) == len(texts)
        assert not [text for text in texts if "{" in text or "}" in text or "  " in text]


def test_words_alone_tell_much_but_not_all(sample: tuple[DataSet, dict[str, Rows]]) -> None:
    """The samples can be learnt from, and something is left that takes the order of words."""
    dataset, files = sample
    rows = [row for found in files.values() for row in found]
    random.Random(1).shuffle(rows)
    texts, labels = zip(*rows, strict=True)
    cut = len(rows) * 7 // 10
    vectors = TfidfVectorizer()
    train, test = vectors.fit_transform(texts[:cut]), vectors.transform(texts[cut:])
    if dataset is MESSAGES:
        score, low, high = f1_score(labels[cut:], LinearSVC().fit(train, labels[:cut]).predict(test)), 0.9, 0.98
    else:
        score, low, high = LogisticRegression().fit(train, labels[:cut]).score(test, labels[cut:]), 0.7, 0.88
    assert low < score < high


# The grammar


def test_a_rule_used_twice_is_chosen_twice() -> None:
    rules = {"start": ("{word} {word}",), "word": ("x", "y")}
    found = {grammar.expand(rules, "{start}", random.Random(seed)) for seed in range(40)}
    assert found == {"x x", "x y", "y x", "y y"}


def test_articles_agree() -> None:
    assert (
        grammar.expand({"x": ("awful",)}, "a {x} film, A {x} end, a good one", random.Random(0))
        == "an awful film, An awful end, a good one"
    )


def test_misspellings_change_letters_inside_long_words_only() -> None:
    text = "the wonderful plot of an outstanding picture was good"
    mistaken = grammar.misspelt(text, 1.0, random.Random(3)).split()
    assert [a == b for a, b in zip(text.split(), mistaken, strict=True)] == [True, False, True, True, True, False, False, True, True]
    assert [word[0] + word[-1] for word in mistaken] == [word[0] + word[-1] for word in text.split()]
    assert grammar.misspelt(text, 0.0, random.Random(3)) == text


def test_texts_that_were_there_are_made_anew_and_a_poor_grammar_is_told() -> None:
    made = iter(["One", "one ", "two", "TWO", "three"])
    assert list(grammar.distinct(lambda number: next(made), 3)) == ["One", "two", "three"]
    with pytest.raises(RuntimeError, match="makes 2 different texts, received 1"):
        list(grammar.distinct(lambda number: "same", 2))


@pytest.mark.parametrize("topic", [opinions.PRODUCTS, opinions.FILMS, opinions.RESTAURANTS])
def test_negation_turns_words_to_the_other_side(topic: str) -> None:
    negated, plain = (0, 1, 0, 0), (1, 0, 0, 0)

    def words(label: int, weights: tuple[int, int, int, int]) -> Counter[str]:
        random_ = random.Random(5)
        return Counter(" ".join(opinions.opinion(topic, label, weights, random_) for _ in range(300)).split())

    assert words(opinions.POSITIVE, plain)["great"] > 5 > 0 == words(opinions.POSITIVE, plain)["terrible"]
    assert words(opinions.POSITIVE, negated)["terrible"] > 5 > 0 == words(opinions.POSITIVE, negated)["great"]
    assert words(opinions.NEGATIVE, negated)["great"] > 5 > 0 == words(opinions.NEGATIVE, negated)["terrible"]


# Published files


def test_the_archive_of_reviews_becomes_json_lines(tmp_path: Path) -> None:
    members = {
        "aclImdb/train/pos/0_9.txt": "Loved it.<br />Très bien",
        "aclImdb/train/neg/3_1.txt": "Awful",
        "aclImdb/test/neg/1_4.txt": "So\u2028so",
        "aclImdb/train/unsup/0_0.txt": "no label",
        "aclImdb/../../evil/train/pos/1_9.txt": "outside",
        "aclImdb/README": "notes",
    }
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
        link = tarfile.TarInfo("aclImdb/train/pos/2_8.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "out").mkdir()
    reviews.unpack(tmp_path, tmp_path / "out")
    assert rows_of(tmp_path / "out/train.jsonl") == [("Loved it.<br />Très bien", 1), ("Awful", 0)]
    assert rows_of(tmp_path / "out/test.jsonl") == [("So\u2028so", 0)]
    assert len(list(tmp_path.rglob("*"))) == 4


@pytest.mark.parametrize(
    ("dataset", "release"), [(SENTENCES, 0), (MESSAGES, 0), (REVIEWS, 1)], ids=lambda value: getattr(value, "name", value)
)
def test_the_checksums_are_those_of_the_published_files(dataset: DataSet, release: int, real_data: Path) -> None:
    for download in dataset.releases[release].downloads:
        content = (real_data / dataset.name / download.file).read_bytes()
        plain = lzma.decompress(content) if download.file.endswith(".xz") else content
        assert hashlib.sha256(plain).hexdigest() == download.sha256


def test_a_file_of_a_zip_archive_is_named_by_its_path_in_it() -> None:
    assert [download.member for download in SENTENCES.releases[0].downloads] == [
        "sentiment labelled sentences/amazon_cells_labelled.txt",
        "sentiment labelled sentences/imdb_labelled.txt",
        "sentiment labelled sentences/yelp_labelled.txt",
    ]
    assert [download.member for download in MESSAGES.releases[0].downloads] == ["SMSSpamCollection"]
