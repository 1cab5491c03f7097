"""The Embeddings API: vectors that are made up, but the same for the same text."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .replies import Vectors
    from .request import Request
    from .turn import Json

__all__ = ("vectors_of",)

_BYTE = 256.0
_TOKENS_A_TEXT = 4


def vectors_of(reply: Vectors, request: Request) -> Json:
    """Write one vector for each text, as numbers or as base64 of them."""
    given = request.body.get("input")
    texts = given if isinstance(given, list) else [given]
    dimensions = request.body.get("dimensions") or reply.dimensions
    is_packed = request.body.get("encoding_format") == "base64"
    vectors = [_vector_of(text, dimensions) for text in texts]
    tokens = _TOKENS_A_TEXT * len(texts)
    return {
        "object": "list",
        "model": request.model,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _packed(vector) if is_packed else vector,
            }
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector_of(text: object, dimensions: int) -> list[float]:
    digest = hashlib.sha256(repr(text).encode()).digest()
    return [digest[index % len(digest)] / _BYTE for index in range(dimensions)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
