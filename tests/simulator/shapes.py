"""Is a document what an OpenAPI schema of Stripe says?  As much of JSON Schema as that file uses, and stricter in one thing:
a member that the schema does not know is a complaint."""

TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "number": (int, float)}


class Spec:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]
        self.paths = document["paths"]
        self.kinds = {}
        for name, schema in self.schemas.items():
            kind = schema.get("properties", {}).get("object", {}).get("enum")
            if kind and name == kind[0]:
                self.kinds[kind[0]] = {"$ref": f"#/components/schemas/{name}"}

    def answer_of(self, method, path):
        """The schema of the 200 of a path that was called, or None."""
        segments = path.split("/")
        candidates = [p for p in self.paths if fits(p.split("/"), segments)]
        for candidate in sorted(candidates, key=lambda p: p.count("{")):
            operation = self.paths[candidate].get(method.lower())
            if operation:
                return operation["responses"]["200"]["content"]["application/json"]["schema"]
        return None

    def complaints(self, schema, value, where=""):
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].split("/")[-1]]
        if value is None:
            return [] if schema.get("nullable") or not schema else [f"{where} is null"]
        if "anyOf" in schema:
            return self._any(schema["anyOf"], value, where)
        if not schema or "type" not in schema:
            return []
        kind = schema["type"]
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            return [f"{where} is {value!r}, not {kind}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where} is {value!r}, not of {schema['enum'][:6]}"]
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            return [f"{where} is longer than {schema['maxLength']}"]
        if kind == "array":
            return [c for i, item in enumerate(value) for c in self.complaints(schema["items"], item, f"{where}[{i}]")]
        return self._object(schema, value, where) if kind == "object" else []

    def _any(self, schemas, value, where):
        best = None
        for schema in schemas:
            found = self.complaints(schema, value, where)
            if not found:
                return []
            if best is None or len(found) < len(best):
                best = found
        return best

    def _object(self, schema, value, where):
        properties = schema.get("properties", {})
        found = [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in properties:
                found += self.complaints(properties[name], member, f"{where}.{name}")
            elif isinstance(schema.get("additionalProperties"), dict):
                found += self.complaints(schema["additionalProperties"], member, f"{where}.{name}")
            elif properties:
                found.append(f"{where}.{name} is not known")
        return found


def fits(pattern, segments):
    return len(pattern) == len(segments) and all(p == s or p.startswith("{") for p, s in zip(pattern, segments))


def without_private(value):
    """An object of the journal as it is shown."""
    if isinstance(value, dict):
        return {k: without_private(v) for k, v in value.items() if not k.startswith("_")}
    return [without_private(v) for v in value] if isinstance(value, list) else value
