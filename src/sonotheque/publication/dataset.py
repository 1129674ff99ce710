"""The edition's metadata as Parquet: one table of recordings, one of the statements about them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.model.identifiers import RecordingId, from_crockford
from sonotheque.model.music import Recording
from sonotheque.model.terms import Statement
from sonotheque.publication.manifest import EditionFile, EditionRecording

_RECORDINGS: dict[str, pa.DataType] = {
    "recording_id": pa.int64(),
    "recording": pa.string(),
    "title": pa.string(),
    "artist": pa.string(),
    "album": pa.string(),
    "label": pa.string(),
    "year": pa.int64(),
    "track_number": pa.int64(),
    "genre": pa.string(),
    "isrcs": pa.list_(pa.string()),
    "generated": pa.bool_(),
    "duration_ms": pa.int64(),
    "popularity": pa.int64(),
    "licence": pa.string(),
    "attribution": pa.string(),
    "statements": pa.list_(pa.int64()),
    "path": pa.string(),
    "sha512": pa.string(),
    "byte_count": pa.int64(),
}
_STATEMENTS: dict[str, pa.DataType] = {
    "statement": pa.int64(),
    "recording": pa.string(),
    "kind": pa.string(),
    "status": pa.string(),
    "uses": pa.list_(pa.string()),
    "issuer": pa.string(),
    "basis": pa.string(),
    "licence": pa.string(),
    "evidence": pa.string(),
    "at": pa.string(),
    "begins_at": pa.string(),
    "ends_at": pa.string(),
    "revokes": pa.int64(),
    "layers": pa.list_(pa.string()),
    "territories": pa.list_(pa.string()),
    "territories_except": pa.list_(pa.string()),
    "article": pa.string(),
    "evidence_sha512": pa.string(),
}


def recordings_table(
    published: Sequence[EditionRecording],
    recordings: Mapping[RecordingId, Recording],
    audio: Mapping[str, EditionFile],
) -> bytes:
    """Parquet with a row for each of `published`; empty text is null. `audio` is by path."""
    rows: list[dict[str, object]] = []
    for item in published:
        recording = recordings[item.recording]
        description = recording.description
        file = audio[item.path]
        rows.append(
            {
                "recording_id": from_crockford(item.recording),
                "recording": item.recording,
                "title": description.title or None,
                "artist": description.artist or None,
                "album": description.album or None,
                "label": description.label or None,
                "year": description.year,
                "track_number": description.track_number,
                "genre": description.genre or None,
                "isrcs": list(description.isrcs),
                "generated": description.generated,
                "duration_ms": recording.duration_ms,
                "popularity": recording.popularity,
                "licence": item.licence,
                "attribution": item.attribution,
                "statements": list(item.statements),
                "path": item.path,
                "sha512": file.sha512,
                "byte_count": file.byte_count,
            }
        )
    return _parquet(rows, _RECORDINGS)


def statements_table(statements: Sequence[Statement]) -> bytes:
    """Parquet with a row for each statement."""
    rows: list[dict[str, object]] = [
        {
            "statement": statement.id,
            "recording": statement.recording,
            "kind": statement.kind.value,
            "status": statement.status.value,
            "uses": [use.value for use in statement.uses],
            "issuer": statement.issuer,
            "basis": statement.basis.value if statement.basis else None,
            "licence": statement.licence or None,
            "evidence": statement.evidence,
            "at": statement.at,
            "begins_at": statement.begins_at or None,
            "ends_at": statement.ends_at or None,
            "revokes": statement.revokes or None,
            "layers": [layer.value for layer in statement.layers],
            "territories": list(statement.territories),
            "territories_except": list(statement.territories_except),
            "article": statement.article or None,
            "evidence_sha512": statement.evidence_sha512,
        }
        for statement in statements
    ]
    return _parquet(rows, _STATEMENTS)


def _parquet(rows: list[dict[str, object]], columns: dict[str, pa.DataType]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(rows, schema=pa.schema(columns)), buffer, compression="zstd"
    )
    return buffer.getvalue()
