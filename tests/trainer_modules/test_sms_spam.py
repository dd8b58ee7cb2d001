"""The spam filter against the shared contract, and its own promises."""

import keras_tuner
import numpy as np
import pytest

from pipelines.sms_spam import MODEL
from tests import texts
from tests.contract import Case, check_model
from trainer_modules import sms_spam
from trainer_modules.common import text

HPARAMS = {**MODEL.hparams, "embedding_units": 8, "hidden_units": 8, "dropout": 0.0}


def tokens(*numbers: int) -> list[int]:
    return [*numbers, *[text.PADDING] * (sms_spam.LENGTH - len(numbers))]


def test_contract(tmp_path):
    messages = ["Win 07781 08712 £££", "win £", *["win"] * 4, *["ok 12345"] * 42]
    check_model(
        Case(
            module=sms_spam,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[texts.example(message, i % 2) for i, message in enumerate(messages)],
            # By frequency: 00000 (44 times), ok (42), win (6), £ (4).
            transformed={sms_spam.TOKENS: [tokens(4, 2, 2, 5, 5, 5), tokens(4, 5)], "label": [0, 1]},
            hparams=HPARAMS,
            label=sms_spam.LABEL,
        ),
        tmp_path,
    )


def test_answers_do_not_depend_on_padding_or_order(monkeypatch):
    model = sms_spam.build_model(HPARAMS)
    monkeypatch.setattr(sms_spam, "LENGTH", 8)
    shorter = sms_spam.build_model(HPARAMS)
    shorter.set_weights(model.get_weights())
    rows = np.zeros((4, 64), np.int64)
    rows[0, :3], rows[1, :3], rows[2, :3] = (5, 6, 7), (7, 5, 6), (5, 6, 8)
    answers = model.predict({sms_spam.TOKENS: rows}, verbose=0)[:, 0]
    np.testing.assert_allclose(shorter.predict({sms_spam.TOKENS: rows[:, :8]}, verbose=0)[:, 0], answers, atol=1e-6)
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)
    assert abs(answers[0] - answers[2]) > 1e-6
    assert np.isfinite(answers[3])


def test_a_lost_message_costs_as_many_times_as_much():
    loss = sms_spam.false_alarm_loss(3.0)(np.array([[0], [1]]), np.array([[0.25], [0.25]], np.float32))
    np.testing.assert_allclose(loss, [-3 * np.log(0.75), -np.log(0.25)], rtol=1e-5)


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    hp = keras_tuner.HyperParameters()
    assert set(sms_spam.search_space(hp)) <= set(MODEL.hparams)
    for parameter in hp.space:
        default = MODEL.hparams[parameter.name]
        if isinstance(parameter, keras_tuner.engine.hyperparameters.Choice):
            assert default in parameter.values
        else:
            assert parameter.min_value <= default <= parameter.max_value
