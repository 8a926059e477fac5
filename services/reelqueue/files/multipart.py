"""A form as it arrives: text fields in memory, files to the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from reelqueue.errors import BodyTooLarge, CallerError, MultipartInvalid, ValidationFailed
from reelqueue.files.delimiters import DelimiterCount
from reelqueue.files.limits import FileLimits
from reelqueue.files.names import extension_of
from reelqueue.files.part_head import boundary_of, read_part_head
from reelqueue.files.received import ReceivedFile, ReceivedForm, arriving, take
from reelqueue.files.repair.workshop import Workshop
from reelqueue.files.sniff import HEAD, check_head
from reelqueue.files.spool import Spool, SpooledFile

_STARTS: Final = (b"--", b"\r\n--")
_LONGEST_START: Final = 4
_SLICE: Final = 65_536


@dataclass(slots=True)
class _TextPart:
    name: str
    text: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class _FilePart:
    filename: str
    extension: str
    spooled: SpooledFile


class MultipartReceiver:
    """Takes the body of one `multipart/form-data` request, in chunks of any size.

    A file is refused by its first bytes and by its size while it comes, by the rest of its content when all of it has
    come; then it is repaired if need be. Whatever raises, every temporary file of the form is gone then, and the
    receiver takes no more. As a context it aborts at the end, unless `finish` has handed the files over.

    For one thread.
    """

    def __init__(
        self,
        content_type: str,
        spool: Spool,
        *,
        limits: FileLimits,
        workshop: Workshop,
        file_field: str = "files",
    ) -> None:
        """`content_type` is the request's header. Parts named `file_field` are files, and no others may be.

        Raises MediaTypeNotSupported, MultipartInvalid.
        """
        boundary = boundary_of(content_type).encode("ascii")
        self._spool = spool
        self._limits = limits
        self._workshop = workshop
        self._file_field = file_field
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_begin": self._header_begins,
                "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._head_ends,
                "on_part_data": self._data_comes,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
            max_header_count=limits.part_headers,
            max_header_size=limits.part_header_bytes,
        )
        self._delimiters = DelimiterCount(boundary, limit=limits.max_files + limits.max_fields + 1)
        self._start: bytes | None = b""
        self._seen = 0
        self._text_bytes = 0
        self._complete = False
        self._closed = False
        self._headers: list[tuple[str, str]] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._place: str | None = None
        self._part: _TextPart | _FilePart | None = None
        self._fields: dict[str, str] = {}
        self._files: list[ReceivedFile] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises MultipartInvalid, BodyTooLarge, ValidationFailed (too many files, a file in another field),
        FileTooLarge, what `inspect` and `Workshop.mend` raise, StorageFull. The caller's mistakes in one part point
        at it: `/files/0`, or `/` and the field's name.
        """
        if self._closed:
            raise ValueError("the receiver is closed")
        try:
            self._count(len(chunk))
            for start in range(0, len(chunk), _SLICE):
                piece = self._past_the_start(chunk[start : start + _SLICE])
                self._parser.write(piece)
                self._delimiters.feed(piece)
        except FormParserError as error:
            self.abort()
            raise MultipartInvalid from error
        except CallerError as error:
            self.abort()
            error.pointer = error.pointer or self._place
            raise
        except BaseException:
            self.abort()
            raise

    def finish(self) -> ReceivedForm:
        """The form, once all of the body was fed. Its files are flushed; they are now the caller's to keep or discard.

        Raises MultipartInvalid if the closing boundary has not come.
        """
        if self._closed:
            raise ValueError("the receiver is closed")
        if not self._complete:
            self.abort()
            raise MultipartInvalid("The body ends before its closing boundary.")
        self._closed = True
        return ReceivedForm(self._fields, tuple(self._files))

    def abort(self) -> None:
        """Remove every temporary file. Safe to repeat; does nothing once `finish` has handed the files over."""
        if self._closed:
            return
        self._closed = True
        if isinstance(self._part, _FilePart):
            self._part.spooled.discard()
        for file in self._files:
            file.spooled.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _count(self, more: int) -> None:
        self._seen += more
        if self._seen > self._limits.max_body_bytes:
            raise BodyTooLarge(detail={"limit_bytes": self._limits.max_body_bytes})

    def _past_the_start(self, chunk: bytes) -> bytes:
        """Hold the first bytes back until it is clear that there is no preamble: no client sends one."""
        if self._start is None:
            return chunk
        self._start += chunk
        if len(self._start) < _LONGEST_START:
            return b""
        if not self._start.startswith(_STARTS):
            raise MultipartInvalid("The body does not begin with its boundary.")
        chunk, self._start = self._start, None
        return chunk

    def _part_begins(self) -> None:
        self._headers = []
        self._place = None

    def _header_begins(self) -> None:
        self._header_name.clear()
        self._header_value.clear()

    def _header_ends(self) -> None:
        name = self._header_name.decode("ascii").lower()
        self._headers.append((name, self._header_value.decode("utf-8", "replace")))

    def _head_ends(self) -> None:
        head = read_part_head(self._headers)
        if head.name == self._file_field:
            self._place = f"/{head.name}/{len(self._files)}"
            self._part = self._file_begins(head.filename or "")
            return
        self._place = "/" + head.name.replace("~", "~0").replace("/", "~1")
        if head.filename is not None:
            raise ValidationFailed(f"Only `{self._file_field}` may hold a file.")
        if head.name in self._fields:
            raise MultipartInvalid("The form has the same field twice.")
        if len(self._fields) >= self._limits.max_fields:
            raise MultipartInvalid("The form has too many fields.")
        self._part = _TextPart(head.name)

    def _file_begins(self, filename: str) -> _FilePart:
        limit = self._limits.max_files
        if len(self._files) >= limit:
            raise ValidationFailed(f"At most {limit} files are accepted.", detail={"limit_files": limit})
        return _FilePart(filename, extension_of(filename), arriving(self._spool, self._limits))

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if isinstance(part, _FilePart):
            had = part.spooled.bytes
            part.spooled.write(memoryview(data)[start:end])
            if had < HEAD <= part.spooled.bytes:
                check_head(part.spooled.head, part.extension)
        elif part is not None:
            self._text_comes(part, memoryview(data)[start:end])

    def _text_comes(self, part: _TextPart, piece: memoryview) -> None:
        self._text_bytes += len(piece)
        if self._text_bytes > self._limits.form_bytes:
            raise BodyTooLarge("The form's fields are too large.", detail={"limit_bytes": self._limits.form_bytes})
        if len(part.text) + len(piece) > self._limits.field_bytes:
            raise BodyTooLarge("A field is too large.", detail={"limit_bytes": self._limits.field_bytes})
        part.text += piece

    def _part_ends(self) -> None:
        part = self._part
        if isinstance(part, _FilePart):
            file = take(
                part.spooled,
                name=part.filename,
                extension=part.extension,
                limits=self._limits,
                workshop=self._workshop,
            )
            self._files.append(file)
        elif part is not None:
            try:
                self._fields[part.name] = part.text.decode()
            except UnicodeDecodeError as error:
                raise MultipartInvalid("A field is not UTF-8.") from error
        self._part = None

    def _form_ends(self) -> None:
        self._complete = True
