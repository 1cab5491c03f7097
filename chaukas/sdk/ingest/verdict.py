"""The verdict on a batch, in each form in which it is answered."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

__all__ = ("Verdict",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a batch."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Event id and reason."""

    def as_json(self, batch_id: str) -> bytes:
        """Return the body of an HTTP answer."""
        rejected = [{"event_id": one, "reason": why} for one, why in self.rejected]
        return orjson.dumps(
            {
                "batch_id": batch_id,
                "accepted": self.accepted,
                "duplicate": self.duplicate,
                "rejected": rejected,
            }
        )

    def as_message(self, batch_id: str = "") -> bytes:
        """Return an IngestEventBatchResponse."""
        # Loading protobuf takes longer than loading all of the SDK.
        from chaukas.sdk.wire.proto import ingest_pb2

        response = ingest_pb2.IngestEventBatchResponse(
            batch_id=batch_id,
            accepted_count=self.accepted,
            duplicate_count=self.duplicate,
            rejected_count=len(self.rejected),
            rejected_event_ids=[event_id for event_id, _ in self.rejected],
        )
        for event_id, reason in self.rejected:
            response.rejections.add(event_id=event_id, reason=reason)
        return response.SerializeToString()

    def as_single_message(self, event_id: str = "", processed_at_ms: int = 0) -> bytes:
        """Return an IngestEventResponse to one event."""
        # As above.
        from chaukas.sdk.wire.proto import ingest_pb2

        single = ingest_pb2.IngestEventResponse(
            event_id=event_id,
            status="rejected" if self.rejected else "accepted",
            processed_at=processed_at_ms,
        )
        return single.SerializeToString()
