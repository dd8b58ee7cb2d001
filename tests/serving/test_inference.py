"""Classify, Regress and MultiInference over gRPC and REST: TF Serving's half_plus_two, and signatures that do not fit."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, prediction_service_pb2_grpc, regression_pb2

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
URL = "/v1/models/half_plus_two"


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def example(**features: float) -> tf.train.Example:
    return tf.train.Example(
        features=tf.train.Features(
            feature={name: tf.train.Feature(float_list=tf.train.FloatList(value=[value])) for name, value in features.items()}
        )
    )


def given(*values: float) -> input_pb2.Input:
    return input_pb2.Input(example_list={"examples": [example(x=value) for value in values]})


def spec(signature: str = "") -> dict:
    return {"name": "half_plus_two", "signature_name": signature}


def refusal(method, request) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        method(request, timeout=30)
    return refused.value.code().name, refused.value.details()


@pytest.mark.parametrize("signature", ["", "regress_x_to_y", "regress_flat"])
def test_regress(stub, signature):
    answer = stub.Regress(regression_pb2.RegressionRequest(model_spec=spec(signature), input=given(1, 2, 5)))
    assert [one.value for one in answer.result.regressions] == [2.5, 3.0, 4.5]
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("half_plus_two", 1)
    assert answer.model_spec.signature_name == (signature or "serving_default")


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("classify_x_to_y", [[("", 2.5)], [("", 4.0)]]),
        ("classify_names", [[("low", 0.0), ("high", 0.0)]] * 2),
        ("classify_both", [[("low", -2.5), ("high", 2.5)], [("low", -4.0), ("high", 4.0)]]),
    ],
)
def test_classify(stub, ask, signature, expected):
    answer = stub.Classify(classification_pb2.ClassificationRequest(model_spec=spec(signature), input=given(1, 4)))
    assert [[(one.label, one.score) for one in each.classes] for each in answer.result.classifications] == expected
    body = {"signature_name": signature, "examples": [{"x": 1.0}, {"x": [4.0]}]}
    assert ask("POST", f"{URL}:classify", body) == (200, {"results": [[list(pair) for pair in row] for row in expected]})


def test_features_of_the_context_count_where_an_example_lacks_them(stub, ask):
    context = {"context": example(x=10, other=3), "examples": [example(x=2), example(other=7), example()]}
    request = regression_pb2.RegressionRequest(model_spec=spec(), input=input_pb2.Input(example_list_with_context=context))
    assert [one.value for one in stub.Regress(request).result.regressions] == [3.0, 7.0, 7.0]
    body = {"context": {"x": 10.0, "other": 3}, "examples": [{"x": 2.0}, {"other": "text"}, {}]}
    assert ask("POST", f"{URL}/versions/1:regress", body) == (200, {"results": [3.0, 7.0, 7.0]})


def test_float32_is_written_with_its_own_digits(ask):
    assert ask("POST", f"{URL}:regress", {"examples": [{"x": 0.2}]}) == (200, {"results": [2.1]})


def test_several_signatures_at_once(stub):
    tasks = [{"model_spec": spec("regress_x_to_y"), "method_name": REGRESS}, {"model_spec": spec("classify_both"), "method_name": CLASSIFY}]
    answer = stub.MultiInference(inference_pb2.MultiInferenceRequest(tasks=tasks, input=given(1, 4)))
    first, second = answer.results
    assert [one.value for one in first.regression_result.regressions] == [2.5, 4.0]
    assert [one.score for one in second.classification_result.classifications[1].classes] == [-4.0, 4.0]
    assert [result.model_spec.signature_name for result in answer.results] == ["regress_x_to_y", "classify_both"]


REGRESSORS = [
    ("absent", "INVALID_ARGUMENT", "No signature was found with the name: absent"),
    ("classify_both", "INVALID_ARGUMENT", "Expected one output Tensor."),
    ("unnamed", "FAILED_PRECONDITION", "No regression outputs found"),
    ("of_examples", "FAILED_PRECONDITION", "No regression inputs found"),
    ("of_two", "INVALID_ARGUMENT", "Expected one input Tensor."),
    ("of_numbers", "INVALID_ARGUMENT", "serialized tf.Examples"),
    ("regress_pairs", "INVALID_ARGUMENT", "either [batch_size] or [batch_size, 1] but got [2, 2]"),
    ("regress_once", "INVALID_ARGUMENT", "Input batch size did not match output batch size: 2 vs. 1"),
    ("regress_double", "INVALID_ARGUMENT", "Expected output Tensor of DT_FLOAT"),
]
CLASSIFIERS = [
    ("absent", "INVALID_ARGUMENT", "No signature was found with the name: absent"),
    ("classify_three", "INVALID_ARGUMENT", "Expected one or two output Tensors, found 3"),
    ("unnamed", "FAILED_PRECONDITION", 'at least one of "classes" or "scores"'),
    ("of_numbers", "FAILED_PRECONDITION", "at least one of"),
    ("classify_flat", "INVALID_ARGUMENT", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
    ("classify_numbers", "INVALID_ARGUMENT", "Expected classes Tensor of DT_STRING"),
    ("classify_uneven", "INVALID_ARGUMENT", "Tensors class and score should match in dim_size(1). Got 2 vs. 1"),
]
STATUS = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 412}


@pytest.mark.parametrize(("signature", "code", "said"), REGRESSORS)
def test_what_is_no_regressor(stub, ask, signature, code, said):
    found = refusal(stub.Regress, regression_pb2.RegressionRequest(model_spec=spec(signature), input=given(1, 2)))
    assert found[0] == code and said in found[1]
    status, answer = ask("POST", f"{URL}:regress", {"signature_name": signature, "examples": [{"x": 1.0}, {"x": 2.0}]})
    assert status == STATUS[code] and said in answer["error"]


@pytest.mark.parametrize(("signature", "code", "said"), CLASSIFIERS)
def test_what_is_no_classifier(stub, ask, signature, code, said):
    found = refusal(stub.Classify, classification_pb2.ClassificationRequest(model_spec=spec(signature), input=given(1, 2)))
    assert found[0] == code and said in found[1]
    status, answer = ask("POST", f"{URL}:classify", {"signature_name": signature, "examples": [{"x": 1.0}, {"x": 2.0}]})
    assert status == STATUS[code] and said in answer["error"]


def test_a_signature_that_does_not_fit_is_answered_with_those_that_may(stub):
    code, said = refusal(stub.Regress, regression_pb2.RegressionRequest(model_spec=spec("of_examples"), input=given(1)))
    assert code == "FAILED_PRECONDITION" and "it takes examples and gives outputs. Signatures that take inputs: classify_both, " in said
    assert "of_examples" not in said.partition("Signatures")[2]


def test_requests_without_examples_or_of_wrong_ones(stub):
    for kind in (input_pb2.Input(), input_pb2.Input(example_list={}), input_pb2.Input(example_list_with_context={"context": example(x=1)})):
        assert refusal(stub.Regress, regression_pb2.RegressionRequest(model_spec=spec(), input=kind)) == (
            "INVALID_ARGUMENT",
            "Input is empty.",
        )
    wrong = input_pb2.Input(example_list={"examples": [example(y=1)]})
    code, said = refusal(stub.Regress, regression_pb2.RegressionRequest(model_spec=spec(), input=wrong))
    assert code == "INVALID_ARGUMENT" and "x" in said
    assert refusal(stub.Classify, classification_pb2.ClassificationRequest(input=given(1)))[0] == "INVALID_ARGUMENT"
    absent = classification_pb2.ClassificationRequest(model_spec={"name": "absent"}, input=given(1))
    assert refusal(stub.Classify, absent)[0] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("tasks", "code", "said"),
    [
        ([], "INVALID_ARGUMENT", "at least one task"),
        ([({}, REGRESS)], "INVALID_ARGUMENT", "empty model name"),
        ([(spec("regress_x_to_y"), REGRESS), ({"name": "tiny"}, REGRESS)], "INVALID_ARGUMENT", "must access the same model name"),
        ([(spec("regress_x_to_y"), REGRESS)] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature: regress_x_to_y"),
        ([(spec(), "tensorflow/serving/predict")], "UNIMPLEMENTED", "Unsupported signature method_name: tensorflow/serving/predict"),
        ([({"name": "absent"}, REGRESS)], "NOT_FOUND", "Latest(absent)"),
        ([(spec("regress_x_to_y"), REGRESS), (spec("unnamed"), CLASSIFY)], "FAILED_PRECONDITION", "classes"),
    ],
)
def test_tasks_that_are_refused(stub, tasks, code, said):
    listed = [{"model_spec": asked, "method_name": method} for asked, method in tasks]
    found = refusal(stub.MultiInference, inference_pb2.MultiInferenceRequest(tasks=listed, input=given(1)))
    assert found[0] == code and said in found[1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "a list under 'examples'"),
        ({}, "a list under 'examples'"),
        ({"examples": {"x": 1.0}}, "a list under 'examples'"),
        ({"examples": []}, "Input is empty."),
        ({"examples": [1]}, "Example must be JSON object but got JSON int"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: NoneType"),
        ({"examples": [{"x": [[1.0]]}]}, "Feature: x has element with unexpected JSON type: list"),
        ({"examples": [{"x": {"a": 1}}]}, "Feature: x has element with unexpected JSON type: dict"),
        ({"examples": [{"x": [1.0, 2]}]}, "Unexpected element type in feature: x expecting type: float"),
        ({"examples": [{"x": ["a", True]}]}, "Unexpected element type in feature: x expecting type: bytes"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element"),
        ({"examples": [{"x": 1e39}]}, "without loss of precision"),
        ({"examples": [{"x": {"b64": "?"}}]}, "base64"),
        ({"examples": [{"x": 1.0}], "context": 3}, "Example must be JSON object but got JSON int"),
        ({"examples": [{"x": 1.0}], "signature_name": 3}, "must be a string"),
        ({"examples": [{"x": 1}]}, "x"),  # int64 where the model takes floats
    ],
)
def test_bodies_that_are_refused(ask, body, said):
    status, answer = ask("POST", f"{URL}:regress", body)
    assert status == 400 and said in answer["error"]


def test_numbers_texts_and_booleans_become_features_of_their_kind():
    from serving.examples import example_from_json

    found = example_from_json({"i": [1, -2], "f": 0.5, "b": [True, False], "s": ["a", {"b64": "AP8="}], "none": []}).features.feature
    assert list(found["i"].int64_list.value) == [1, -2] and list(found["b"].int64_list.value) == [1, 0]
    assert np.allclose(found["f"].float_list.value, [0.5]) and list(found["s"].bytes_list.value) == [b"a", b"\x00\xff"]
    assert found["none"].WhichOneof("kind") is None
