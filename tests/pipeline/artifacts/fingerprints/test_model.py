"""SavedModels: variables, assets, signatures and what is computed count; names of functions and places do not."""

from __future__ import annotations

import pathlib
import shutil
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts import fingerprints
from pipeline.artifacts.types import StoredArtifact
from tests import lazy
from tests.pipeline.artifacts.fingerprints.folders import artifact, assert_differ, assert_same, write

computation = lazy.module("pipeline.artifacts.fingerprints.graph_computation")
graph_pb2 = lazy.module("tensorflow.core.framework.graph_pb2")
saved_model_pb2 = lazy.module("tensorflow.core.protobuf.saved_model_pb2")
text_format = lazy.module("google.protobuf.text_format")
tf = lazy.module("tensorflow")

pytestmark = pytest.mark.component

Compute = Callable[[Any, Any], Any]
WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def plain(module: Any, x: Any) -> Any:
    return tf.nn.relu(x @ module.weights + module.bias) - tf.constant([1.0, 2.0])


@pytest.fixture
def save(tmp_path: pathlib.Path) -> Callable[..., StoredArtifact]:
    """Saves a module with two variables that computes something of x, under the folder `Format-Serving`."""

    def saved(
        name: str,
        compute: Compute = plain,
        weights: Any = WEIGHTS,
        key: str = "x",
        more: Any = None,
        variable: str = "layer/kernel",
    ) -> StoredArtifact:
        module = tf.Module()
        module.weights = tf.Variable(weights, name=variable)
        module.bias = tf.Variable([0.5, 0.25], name="layer/bias")
        if more is not None:
            more(module)
        spec = tf.TensorSpec([None, 3], tf.float32, name=key)
        function = tf.function(lambda x: {"y": compute(module, x)}, input_signature=[spec], autograph=False)
        folder = tmp_path / name / "Format-Serving"
        tf.saved_model.save(module, str(folder), signatures={"serve": function})
        return artifact("Model", tmp_path / name)

    return saved


def trace_others() -> None:
    """Functions of no concern: they take names and numbers."""
    for size in range(3):
        tf.function(lambda x: tf.nn.relu(x) * 2, autograph=False).get_concrete_function(tf.zeros([size]))
        tf.Variable(1.0, name="layer/kernel")


def test_the_same_module_saved_again_elsewhere_is_the_same_content(save: Any) -> None:
    one = save("a")
    trace_others()
    other = save("deep/b")
    files = [(made.folder / "Format-Serving/saved_model.pb").read_bytes() for made in (one, other)]
    assert files[0] != files[1]  # or this tests nothing
    assert_same(one, other)


def test_the_entries_are_those_that_the_form_names(save: Any) -> None:
    stream = {entry.name: entry.value for entry in fingerprints.content_entries(save("a"))[1]}
    here = " of Format-Serving"
    assert list(stream)[:2] == [f"tensor bias (layer/bias){here}", f"tensor weights (layer/kernel){here}"]
    assert stream[f"tensor weights (layer/kernel){here}"].tolist() == WEIGHTS.tolist()
    assert stream[f"tags{here}"] == "serve"
    assert {
        *(f"input x of signature serve{here}", f"output y of signature serve{here}"),
        *(f"computation of signature serve{here}", f"object root{here}", f"object weights{here}"),
    } < set(stream)
    assert not [name for name in stream if name.startswith("file ")]


def test_a_weight_that_differs_in_its_last_bit_is_named(save: Any) -> None:
    changed = WEIGHTS.copy()
    changed[2, 1] = np.nextafter(changed[2, 1], np.float32(9))
    assert assert_differ(save("a"), save("b", weights=changed)) == (
        "tensor weights (layer/kernel) of Format-Serving differs: 1 of 6 values, largest difference 4.8e-07 at [2, 1]"
    )


SERVE = "computation of signature serve of Format-Serving differs: "


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (lambda m, x: tf.nn.elu(x @ m.weights + m.bias) - tf.constant([1.0, 2.0]), "'Relu' against 'Elu'"),
        (lambda m, x: tf.nn.relu(x @ m.weights + m.bias) - tf.constant([1.0, 3.0]), "1 of 2 values"),
        (lambda m, x: tf.constant([1.0, 2.0]) - tf.nn.relu(x @ m.weights + m.bias), "Sub: "),
        (lambda m, x: tf.nn.relu(x @ m.weights - m.bias) - tf.constant([1.0, 2.0]), "'AddV2' against 'Sub'"),
        (lambda m, x: tf.nn.relu(m.bias + x @ m.weights) - tf.constant([1.0, 2.0]), "AddV2"),
        (
            lambda m, x: tf.nn.relu(tf.matmul(x, m.weights, grad_a=True) + m.bias) - tf.constant([1.0, 2.0]),
            "MatMul: only the second has attribute grad_a",
        ),
        (lambda m, x: tf.identity(plain(m, x)), "Identity"),
        (lambda m, x: tf.function(lambda z: plain(m, z) * 1.0, autograph=False)(x), ""),
    ],
    ids=["op", "constant", "swapped", "inner op", "swapped inner", "attribute", "one more", "inside a function"],
)
def test_another_computation_is_seen_though_the_variables_are_the_same(save: Any, compute: Any, words: str) -> None:
    line = assert_differ(save("a"), save("b", compute))
    assert line.startswith(SERVE)
    assert words in line


def test_a_change_deep_in_functions_is_found_whatever_they_are_called(save: Any) -> None:
    def nested(factor: float) -> Compute:
        def compute(module: Any, x: Any) -> Any:
            value: Any = lambda z: plain(module, z) * factor  # noqa: E731
            for _ in range(3):
                value = tf.function(value, autograph=False)
            return tf.cond(x[0, 0] > 0, lambda: value(x), lambda: tf.while_loop(
                lambda n, _: n < 3, lambda n, y: (n + 1, y * 2.0), (tf.constant(0), value(x))
            )[1])  # fmt: skip

        return compute

    one = save("a", nested(3.0))
    trace_others()
    assert_same(one, save("b", nested(3.0)))
    line = assert_differ(one, save("c", nested(4.0)))
    assert line.startswith(SERVE)
    assert line.endswith("Const: constant differs: 3.0 against 4.0")


def test_which_variable_is_read_counts(save: Any) -> None:
    def use(name: str) -> Compute:
        return lambda module, x: x * tf.reduce_sum(getattr(module, name))

    def add(module: Any) -> None:
        module.one, module.two = (tf.Variable([1.0], name=name) for name in ("one", "two"))

    line = assert_differ(save("a", use("one"), more=add), save("b", use("two"), more=add))
    assert line.startswith(SERVE)
    assert "shared_name" in line or "input" in line


def test_names_of_variables_and_of_inputs_count(save: Any) -> None:
    one = save("a")
    assert assert_differ(one, save("b", key="z")) == "only the first has input x of signature serve of Format-Serving"
    assert assert_differ(one, save("c", variable="layer/other")) == (
        "only the first has tensor weights (layer/kernel) of Format-Serving"
    )


def test_effects_without_a_result_count(save: Any) -> None:
    def counting(step: float) -> Compute:
        def compute(module: Any, x: Any) -> Any:
            module.bias.assign_add([step, step])
            return tf.identity(x)

        return compute

    assert_same(save("a", counting(1.0)), save("b", counting(1.0)))
    line = assert_differ(save("c", counting(1.0)), save("d", counting(2.0)))
    assert line.startswith(SERVE)
    assert line.endswith("Const: constant differs: 2 of 2 values, largest difference 1 at [0]")
    assert_differ(save("e", counting(1.0)), save("f", lambda _, x: tf.identity(x)))


def test_one_random_number_used_twice_is_not_two(save: Any) -> None:
    def twice(_: Any, x: Any) -> Any:
        one = tf.random.uniform([1], seed=1)
        return x + one + one

    def two(_: Any, x: Any) -> Any:
        return x + tf.random.uniform([1], seed=1) + tf.random.uniform([1], seed=1)

    assert assert_differ(save("a", twice), save("b", two)).startswith(SERVE)


def test_a_function_that_is_no_signature_counts(save: Any) -> None:
    def add(factor: float) -> Any:
        def more(module: Any) -> None:
            module.helper = tf.function(
                lambda x: x * factor, input_signature=[tf.TensorSpec([], tf.float32)], autograph=False
            )

        return more

    assert_same(save("a", more=add(2.0)), save("b", more=add(2.0)))
    assert assert_differ(save("c", more=add(2.0)), save("d", more=add(3.0))).startswith("object helper of Format-Serv")


@pytest.fixture
def save_with_table(save: Any, tmp_path: pathlib.Path) -> Any:
    def saved(name: str, words: bytes) -> StoredArtifact:
        path = write(tmp_path / f"of {name}", {"words.txt": words}) / "words.txt"

        index = tf.lookup.TextFileIndex

        def add(module: Any) -> None:
            module.table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(str(path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER), -1
            )

        def look_up(module: Any, x: Any) -> Any:
            return module.table.lookup(tf.strings.as_string(x))

        return save(name, look_up, more=add)

    return saved


def test_an_asset_counts_by_name_and_bytes_not_by_where_it_came_from(save_with_table: Any) -> None:
    one = save_with_table("a", b"x\ny\n")
    assert_same(one, save_with_table("deep/b", b"x\ny\n"))
    assert assert_differ(one, save_with_table("c", b"x\nz\n")) == (
        "file Format-Serving/assets/words.txt differs: 4 bytes, from byte 2 on"
    )


def rewrite(model: StoredArtifact, change: Callable[[Any], None]) -> None:
    path = model.folder / "Format-Serving/saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())


def test_a_constant_written_in_another_way_is_the_same(save: Any) -> None:
    def spell_out(meta: Any) -> None:
        found = 0
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                tensor = node.attr["value"].tensor if node.op == "Const" else None
                if tensor is not None and tensor.tensor_content:
                    values = tf.make_ndarray(tensor)
                    tensor.ClearField("tensor_content")
                    tensor.float_val.extend(values.ravel().tolist())
                    found += 1
        assert found

    one, other = save("a"), save("b")
    rewrite(other, spell_out)
    assert_same(one, other)


def test_what_tensorflow_notes_and_where_it_ran_do_not_count(save: Any) -> None:
    def change(meta: Any) -> None:
        meta.meta_info_def.tensorflow_version = "9.9"
        for node in [*meta.graph_def.node, *(n for f in meta.graph_def.library.function for n in f.node_def)]:
            node.device = "/device:GPU:7"
            node.attr["_note"].s = b"x"
            if "config_proto" in node.attr:
                node.attr["config_proto"].s = b"other"

    one, other = save("a"), save("b")
    rewrite(other, change)
    (other.folder / "Format-Serving/fingerprint.pb").unlink()
    assert_same(one, other)


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_damaged_model_counts_by_its_bytes(save: Any, name: str) -> None:
    one, other = save("a"), save("b")
    path = other.folder / "Format-Serving" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert assert_differ(one, other)
    again = artifact("Model", shutil.copytree(other.folder, other.folder.parent / "c"))
    assert_same(other, again)
    write(again.folder, {"notes": b""})
    assert assert_differ(other, again) == "only the second has file notes"


# --- graphs written by hand


def body(text: str, *results: str) -> Any:
    return computation.Graph(text_format.Parse(text, graph_pb2.GraphDef()), {}).body(results)


def test_operations_are_numbered_from_the_result_back() -> None:
    made = body('node { name: "a" op: "A" } node { name: "b" op: "B" input: "a" input: "a:1" input: "^c" }'
                'node { name: "c" op: "C" } node { name: "unused" op: "D" }', "b:0")  # fmt: skip
    assert [(one.kind, one.inputs, one.after) for one in made.operations] == [
        ("B", ("1:0", "1:1"), (2,)),
        ("A", (), ()),
        ("C", (), ()),
    ]
    assert made.results == ("0:0",)


def test_order_and_names_of_control_inputs_do_not_count() -> None:
    one = body(
        'node { name: "r" op: "R" input: "^x" input: "^y" } node { name: "x" op: "X" } node { name: "y" op: "Y" }', "r"
    )
    other = body(
        'node { name: "r" op: "R" input: "^a" input: "^b" } node { name: "a" op: "Y" } node { name: "b" op: "X" }', "r"
    )
    assert one.digest == other.digest
    third = body('node { name: "r" op: "R" input: "^a" } node { name: "a" op: "X" }', "r")
    assert one.digest != third.digest


def test_a_circle_of_nodes_ends() -> None:
    text = 'node {{ name: "a" op: "{}" input: "b" input: "^b" }} node {{ name: "b" op: "B" input: "a" }}'
    assert body(text.format("A"), "a").digest == body(text.format("A"), "a").digest
    assert body(text.format("A"), "a").digest != body(text.format("C"), "a").digest


def chain(length: int, last: str, prefix: str) -> str:
    """Functions that each call the next, and a graph of as many nodes in a row."""
    functions = "".join(
        f'function {{ signature {{ name: "{prefix}{number}" }} node_def {{ name: "n" '
        + (
            f'op: "Call" attr {{ key: "f" value {{ func {{ name: "{prefix}{number + 1}" }} }} }}'
            if number < length - 1
            else f'op: "{last}"'
        )
        + " } }"
        for number in range(length)
    )
    nodes = "".join(f'node {{ name: "n{number}" op: "N" input: "n{number + 1}" }}' for number in range(length))
    call = f'node {{ name: "n{length}" op: "Call" attr {{ key: "f" value {{ func {{ name: "{prefix}0" }} }} }} }}'
    return f"library {{ {functions} }} {nodes} {call}"


def test_long_chains_of_nodes_and_of_functions_are_no_trouble() -> None:
    length = sys.getrecursionlimit() + 200
    one, same, other = (body(chain(length, *names), "n0") for names in (("X", "f"), ("X", "g"), ("Y", "f")))
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert len(one.operations) == length + 1
    line = computation.entries.first_difference(one.entries, other.entries)
    assert len(line) < 600


def test_a_function_that_calls_itself() -> None:
    def recursive(name: str, op: str) -> str:
        call = f'attr {{ key: "f" value {{ func {{ name: "{name}" }} }} }}'
        return (
            f'library {{ function {{ signature {{ name: "{name}" }} node_def {{ name: "a" op: "Call" {call} }}'
            f'node_def {{ name: "b" op: "{op}" }} }} }} node {{ name: "n" op: "Call" {call} }}'
        )

    assert body(recursive("f", "X"), "n").digest == body(recursive("g", "X"), "n").digest
    assert body(recursive("f", "X"), "n").digest != body(recursive("f", "Y"), "n").digest


@pytest.mark.parametrize(
    ("attribute", "counts"),
    [
        ('key: "T" value { type: DT_INT32 }', True),
        ('key: "shared_name" value { s: "x" }', False),
        ('key: "container" value { s: "x" }', False),
        ('key: "_class" value { list { s: "loc:@x" } }', False),
        ('key: "_XlaMustCompile" value { b: true }', True),
    ],
)
def test_which_attributes_count(attribute: str, counts: bool) -> None:
    with_it = body(f'node {{ name: "a" op: "A" attr {{ {attribute} }} }}', "a")
    assert (with_it.digest != body('node { name: "a" op: "A" }', "a").digest) == counts


def test_the_name_of_a_variable_counts() -> None:
    text = 'node {{ name: "a" op: "VarHandleOp" attr {{ key: "shared_name" value {{ s: "{}" }} }} }}'
    assert body(text.format("x"), "a").digest != body(text.format("y"), "a").digest


def test_what_waits_for_what_counts_though_the_operations_are_the_same() -> None:
    for number in range(8):  # control inputs are sorted by digest; with half of these, both list the same operations
        rest = f'node {{ name: "x" op: "X{number}" input: "^y" }} node {{ name: "y" op: "Y{number}" }}'
        one = body('node { name: "r" op: "R" input: "^x" }' + rest, "r")
        other = body('node { name: "r" op: "R" input: "^x" input: "^y" }' + rest, "r")
        assert one.digest != other.digest


def test_arguments_of_a_function_are_told_apart_by_number_not_by_name() -> None:
    def function(names: str, inputs: str) -> Any:
        arguments = " ".join(f'input_arg {{ name: "{name}" type: DT_FLOAT }}' for name in names)
        used = " ".join(f'input: "{name}"' for name in inputs)
        return body(
            f'library {{ function {{ signature {{ name: "f" {arguments} output_arg {{ name: "o" type: DT_FLOAT }} }}'
            f'node_def {{ name: "n" op: "Sub" {used} }} ret {{ key: "o" value: "n:z:0" }} }} }}'
            'node { name: "c" op: "Call" attr { key: "f" value { func { name: "f" } } } }',
            "c",
        ).digest

    assert function("ab", "ab") == function("yx", "yx")
    assert function("ab", "ab") != function("ab", "ba")
    assert function("ab", "ab") != function("ab", "aa")


def test_two_ways_of_damage_to_the_variables_differ(save: Any) -> None:
    one = save("a")
    path = one.folder / "Format-Serving/variables/variables.index"
    path.write_bytes(path.read_bytes()[:50])
    other = artifact("Model", shutil.copytree(one.folder, one.folder.parent / "b"))
    write(other.folder, {"Format-Serving/variables/variables.index": path.read_bytes()[:-1] + b"~"})
    assert assert_differ(one, other).startswith("file Format-Serving/variables/variables.index differs: 50 bytes")
