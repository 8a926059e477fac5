"""How much a caller may send."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1_048_576


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Limits on files and on the forms that carry them. Sizes are in bytes."""

    max_file_bytes: int = 20_000_000
    """The smallest of the limits that NemoVideo's documents name (contract §4.4)."""
    max_picture_bytes: int = 100_000_000
    """A picture may come larger than `max_file_bytes`; it is then made smaller."""
    max_files: int = 20
    max_pixels: int = 100_000_000
    """Width times height of a picture."""
    max_frames: int = 2_000
    """Frames of an animated picture."""
    max_fields: int = 64
    field_bytes: int = 262_144
    """One text field. Ten instructions of 4,000 characters fit, in any script."""
    form_bytes: int = _MIB
    """All text fields together: what a JSON body may have."""
    part_headers: int = 8
    part_header_bytes: int = 4_096
    """One header line of a part."""

    @property
    def max_body_bytes(self) -> int:
        """The largest multipart body: every file at its limit, or one large picture; and the text around them."""
        return max(self.max_file_bytes * self.max_files, self.most_bytes) + self.form_bytes

    @property
    def most_bytes(self) -> int:
        """The most that any file may have as it comes."""
        return max(self.max_file_bytes, self.max_picture_bytes)
