"""The agent with a network of values: double Q-learning by hand, its loss, and what survives an interruption."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.breakout_dqn import MODEL
from tests import agents
from tests.contract import check_saved, prepare
from trainer_modules import breakout_dqn as module
from trainer_modules.common import checkpoints, online

CARTPOLE, RAM = (MODEL.with_preset(name) for name in ("cartpole", "ram"))
TINY = {**MODEL.hparams, **agents.TINY, **agents.CORRIDOR, "environment": "darsena/Corridor-v0"}


@pytest.mark.parametrize("model", [MODEL, CARTPOLE, RAM], ids=["screen", "cartpole", "ram"])
def test_contract(model, tmp_path):
    case = agents.case(module, model, tmp_path)
    prepared = prepare(case, tmp_path)
    keras.utils.set_random_seed(1)
    network = module.build_model(case.hparams)
    values, action = (network({"observation": prepared.rows.features["observation"]})[name] for name in ("q_values", "action"))
    assert values.shape == (len(case.examples), model.hparams["actions"]) and action.dtype == tf.int64
    np.testing.assert_array_equal(action, np.argmax(values, axis=1))
    check_saved(network, prepared, case.examples, tmp_path, formats=model.export_formats)


def test_the_network_chooses_and_the_target_network_values():
    batch = {"reward": tf.constant([1.0, 2.0, 3.0]), "discount": tf.constant([0.5, 0.5, 0.0])}
    values, target_values = tf.constant([[1.0, 2.0], [5.0, 4.0], [0.0, 9.0]]), tf.constant([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])
    # The largest target values would be 20, 40 and 60.
    np.testing.assert_allclose(module.targets(batch, values, target_values), [1 + 0.5 * 20, 2 + 0.5 * 30, 3.0])


def test_no_gradient_is_above_one():
    errors = tf.constant([-3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 7.0])
    with tf.GradientTape() as tape:
        tape.watch(errors)
        losses = module.huber(errors)
    np.testing.assert_allclose(losses, [2.5, 0.5, 0.125, 0, 0.03125, 0.5, 6.5])
    np.testing.assert_allclose(tape.gradient(losses, errors), [-1, -1, -0.5, 0, 0.25, 1, 1])


def test_chance_falls_in_a_straight_line():
    hparams = {"epsilon": 0.1, "epsilon_steps": 100}
    assert [module.epsilon(steps, hparams) for steps in (0, 50, 100, 500)] == pytest.approx([1, 0.55, 0.1, 0.1])


def batch(size: int = 16) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "observation": random.normal(size=(size, 2)).astype(np.float32),
        "action": random.integers(0, 2, size),
        "reward": random.normal(size=size).astype(np.float32),
        "next_observation": random.normal(size=(size, 2)).astype(np.float32),
        "discount": np.full(size, 0.9, np.float32),
    }


def test_an_update_takes_the_targets_a_little_of_the_way():
    keras.utils.set_random_seed(1)
    agent = module.make_agent(module.build_model, {**TINY, "target_rate": 0.25}, "single")
    count = len(agent.model.variables)
    before = [variable.numpy() for variable in agent.variables[count : 2 * count]]
    agent.update(batch())
    for old, new, followed in zip(before, agent.variables[count : 2 * count], agent.model.variables, strict=True):
        np.testing.assert_allclose(new.numpy(), 0.75 * old + 0.25 * followed.numpy(), rtol=1e-5, atol=1e-7)
        assert np.any(followed.numpy() != old)


def test_two_replicas_learn_what_one_device_learns():
    agent = agents.check_replicas(module, TINY, batch())
    with pytest.raises(ValueError, match="a batch_size that 2 replicas can share equally, received 7"):
        agent.update(batch(7))


def test_it_learns_to_reach_the_end():
    changes = {"steps": 2400, "round_steps": 2400, "hidden_units": 32, "learning_rate": 3e-3, "target_rate": 0.05, "discount": 0.9}
    model, history = agents.learn(module, {**TINY, **changes, "epsilon_steps": 400, "replay": 1000})
    assert history["best_mean_return"] == 1
    values = model({"observation": np.array([[place, 1] for place in range(5)], np.float32)})["q_values"].numpy()
    np.testing.assert_allclose(values[:, 1], 0.9 ** np.arange(4, -1, -1), atol=0.15)
    assert history["epochs"] == 1 and history["updates"] == 600


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0)
    expected, history = agents.learn(module, TINY)
    measure, calls = online.measure, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(online, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agents.learn(module, TINY, tmp_path / "kept")
    monkeypatch.setattr(online, "measure", measure)
    model, resumed = agents.learn(module, TINY, tmp_path / "kept")
    for one, two in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert resumed["metrics"] == history["metrics"] and resumed["epochs"] == 3


def test_losses_that_are_no_numbers_end_the_training():
    with pytest.raises(FloatingPointError, match=r"expected finite losses, received nan in update \d+ of round 1"):
        agents.learn(module, {**TINY, "environment": "darsena/Mined-v0", "steps": 400, "round_steps": 400})


def test_an_environment_that_fails_ends_the_training():
    hparams = {**TINY, "environment": "darsena/Blocked-v0"}
    with pytest.raises(RuntimeError, match="darsena/Blocked-v0 to take step 7"):
        agents.learn(module, hparams, environment=TINY["environment"])


def test_presets_are_of_their_own_data():
    assert {model.data.name for model in (MODEL, CARTPOLE, RAM)} == {"breakout", "cartpole", "breakout-ram"}
    for model in (MODEL, CARTPOLE, RAM):
        assert dataclasses.asdict(model)["schema"] == model.schema_path.stem
