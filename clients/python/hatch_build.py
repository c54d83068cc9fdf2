"""Makes the package's generated half from the .proto files: protobuf messages with their type
stubs, and dues/services.py, one typed class a service with the contract's own comments."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HEADER = '''"""Generated from the contract: one class a service, one method an RPC."""

from __future__ import annotations

from typing import Any

from dues.call import CallInfo, Pager, Service, Watch
{imports}
'''


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Contract:
    """What the descriptor set says about types, files and comments."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet):
        self.files = files.file
        self.modules: dict[str, str] = {}
        self.messages: dict[str, descriptor_pb2.DescriptorProto] = {}
        for file in self.files:
            module = file.name[: -len(".proto")].replace("/", ".") + "_pb2"
            for message in file.message_type:
                full_name = f".{file.package}.{message.name}"
                self.modules[full_name] = module
                self.messages[full_name] = message

    def python_name(self, full_name: str) -> str:
        module = self.modules[full_name]
        return f"{module.replace('.', '_')}.{full_name.rsplit('.', 1)[1]}"

    def listed(self, output: str) -> tuple[str, str] | None:
        """Name and type of the items, for an answer that is one page of a list."""
        fields = self.messages[output].field
        if not any(field.name == "next_page_token" for field in fields):
            return None
        return self.items(output)

    def items(self, output: str) -> tuple[str, str]:
        """Name and type of what the first field repeats."""
        items = self.messages[output].field[0]
        return items.name, self.python_name(items.type_name)


def comment(file: descriptor_pb2.FileDescriptorProto, path: list[int], indent: str) -> str:
    for location in file.source_code_info.location:
        if list(location.path) == path:
            text = location.leading_comments.strip()
            lines = [line[1:] if line.startswith(" ") else line for line in text.split("\n")]
            body = "\n".join((indent + line).rstrip() for line in lines).strip()
            return body.replace("\\", "\\\\").replace('"""', "'''")
    return ""


def method_source(contract, file, service_index, index) -> str:
    service = file.service[service_index]
    method = service.method[index]
    request = contract.python_name(method.input_type)
    reply = contract.python_name(method.output_type)
    path = f"/{file.package}.{service.name}/{method.name}"
    text = comment(file, [6, service_index, 2, index], " " * 8)
    if method.server_streaming:
        items, item = contract.items(method.output_type)
        return (
            f"    def {snake(method.name)}(\n"
            f"        self, request: {request} | None = None, *, token: str | None = None,\n"
            f"        **fields: Any,\n"
            f"    ) -> Watch[{item}]:\n"
            f'        """{text}\n        """\n'
            f'        return self._watch("{path}", {request}, {reply}, "{items}", request, fields, token)\n'
        )
    listed = contract.listed(method.output_type)
    result = f"Pager[{listed[1]}]" if listed else reply
    call = (
        f'self._list("{path}", {request}, {reply}, "{listed[0]}", request, fields, timeout, token)'
        if listed
        else f'self._call("{path}", {request}, {reply}, request, fields, timeout, token, info)'
    )
    info = "" if listed else "info: CallInfo | None = None, "
    return (
        f"    def {snake(method.name)}(\n"
        f"        self, request: {request} | None = None, *, timeout: float | None = None,\n"
        f"        token: str | None = None, {info}**fields: Any,\n"
        f"    ) -> {result}:\n"
        f'        """{text}\n        """\n'
        f"        return {call}\n"
    )


def services_source(contract: Contract) -> str:
    imports, classes = set(), []
    for file in contract.files:
        if not file.package.startswith("dues."):
            continue
        for service_index, service in enumerate(file.service):
            source = f"class {service.name}(Service):\n"
            source += f'    """{comment(file, [6, service_index], " " * 4)}\n    """\n\n'
            methods = []
            for index, method in enumerate(service.method):
                methods.append(method_source(contract, file, service_index, index))
                for name in (method.input_type, method.output_type):
                    imports.add(contract.modules[name])
                listed = contract.listed(method.output_type)
                if method.server_streaming:
                    listed = contract.items(method.output_type)
                if listed:
                    imports.update(
                        module
                        for name, module in contract.modules.items()
                        if contract.python_name(name) == listed[1]
                    )
            classes.append(source + "\n".join(methods))
    lines = [f"import {module} as {module.replace('.', '_')}" for module in sorted(imports)]
    return HEADER.format(imports="\n".join(lines)) + "\n\n" + "\n\n".join(classes)


def generate(proto: Path, output: Path) -> None:
    from grpc_tools import protoc

    well_known = str(resources.files("grpc_tools") / "_proto")
    contract_files = sorted(str(path.relative_to(proto)) for path in proto.glob("dues/**/*.proto"))
    descriptor_set = output / "contract.binpb"
    arguments = [
        "protoc",
        f"-I{proto}",
        f"-I{proto / 'third_party'}",
        f"-I{well_known}",
        f"--python_out={output}",
        f"--pyi_out={output}",
        f"--descriptor_set_out={descriptor_set}",
        "--include_imports",
        "--include_source_info",
        *contract_files,
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    descriptor_set.unlink()
    (output / "dues" / "services.py").write_text(services_source(Contract(files)))
    for folder in [path for path in (output / "dues").rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        root = Path(self.root)
        proto = root / "proto"
        if not proto.is_dir():
            proto = root / ".." / ".." / "proto"
        self.output = Path(tempfile.mkdtemp(prefix="dues-python-"))
        generate(proto.resolve(), self.output)
        build_data["force_include"][str(self.output / "dues")] = "dues"
        build_data["pure_python"] = True

    def finalize(self, version, build_data, artifact_path):
        shutil.rmtree(self.output, ignore_errors=True)
