"""Classes of other implementations for the schemas: Python's protobuf and pycapnp."""

import importlib
import pathlib
import sys
import tempfile

import capnp
import grpc_tools
from grpc_tools import protoc

SCHEMAS = pathlib.Path(__file__).resolve().parents[2]


def protobuf():
    """The modules that protoc generates from schemas/proto, compiled into a temporary folder."""
    with tempfile.TemporaryDirectory() as out:
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{SCHEMAS / 'proto'}", f"-I{well_known}", f"--python_out={out}", "fsi/v1/fsi.proto", "io/cloudevents/v1/cloudevents.proto"]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc refused schemas/proto")
        # The package `io` of the generated code would hide Python's own, so the files are loaded by what is below it.
        generated = pathlib.Path(out)
        fsi = generated / "fsi/v1/fsi_pb2.py"
        fsi.write_text(fsi.read_text().replace("from io.cloudevents.v1 import", "from cloudevents_v1 import"))
        (generated / "io/cloudevents/v1").rename(generated / "cloudevents_v1")
        sys.path.insert(0, out)
        try:
            return importlib.import_module("fsi.v1.fsi_pb2"), importlib.import_module("cloudevents_v1.cloudevents_pb2")
        finally:
            sys.path.remove(out)


def cap_n_proto():
    capnp.remove_import_hook()
    return capnp.load(str(SCHEMAS / "capnp/fsi.capnp"))
