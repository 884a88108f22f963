"""JSON objects that the sandbox reads strictly, with a sentence for each mistake."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """A JSON object with its known fields only, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Settings = TypeVar("Settings", bound=Strict)


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what is wrong with a document that should be a `model`, for a developer."""
    return "; ".join(_sentence(dict(each), model) for each in error.errors())


def patched(settings: Settings, body: str | bytes) -> Settings:
    """Return the settings with the fields of a JSON object; raises ValueError with a sentence."""
    given = json.loads(body)
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object")
    try:
        return type(settings).model_validate(settings.model_dump() | given)
    except ValidationError as error:
        raise ValueError(explain(error, type(settings))) from error


def _sentence(error: dict[str, Any], model: type[BaseModel]) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = _model_at(error["loc"][:-1], model).model_fields
        return f"{field} is not a field; the fields are {', '.join(known)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    what = error["msg"].replace("Input should be", "must be", 1)
    return f"{field} {what}" if field else f"The body must be a JSON object: {what}"


def _model_at(path: tuple[Any, ...], model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of the object at `path`, as far as the models' fields lead there."""
    for name in path:
        field = model.model_fields.get(str(name))
        types = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((each for each in types if _is_model(each)), model)
    return model


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
