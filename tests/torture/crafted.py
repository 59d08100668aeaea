"""Crafted archives: each attacks an unpacker in its own way; the good log among them is to be read."""

import io
import random
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.case import Case, SourceSpec
from analysis.evidence.archives import ArchiveError, contents
from analysis.evidence.reading import Unopenable
from analysis.evidence.sources import find_sources
from tests.torture.accounted import assert_whole, count, folder_of, load_folder
from tests.torture.files import numbered
from tests.torture.mutating import mutated
from tests.torture.texts import text_lines
from tests.torture.trials import Trial

GOOD = "".join(numbered(n) for n in range(500)).encode()
MOST_S = 20  # of the processor's time
TAR_KINDS = {"": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return data.getvalue()


def tarred(
    members: dict[str, bytes | tarfile.TarInfo], mode: str = "w", form: int = tarfile.PAX_FORMAT
) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = content if isinstance(content, bytes) else b""
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return data.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@dataclass(frozen=True)
class Crafted:
    """An archive; what has to be said of it; whether the good log in it can be read."""

    data: bytes
    reason: str
    is_read: bool = True


def both(members: dict[str, bytes], reason: str) -> list[Crafted]:
    return [Crafted(zipped(members), reason), Crafted(tarred(dict(members)), reason)]


def names_that_lead_out() -> list[Crafted]:
    names = ("../../up.log", "/abs.log", "C:\\x.log", "a/../../b.log", "a.log")
    return both(dict.fromkeys(names, GOOD), "leads out")


def links_and_devices() -> list[Crafted]:
    link = zipfile.ZipInfo("link.log")
    link.external_attr = 0o120777 << 16
    data = io.BytesIO(zipped({"a.log": GOOD}))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    members: dict[str, bytes | tarfile.TarInfo] = {
        f"{number}.log": special(f"{number}.log", kind, "/etc/passwd") for number, kind in enumerate(kinds)
    }
    both_kinds = (data.getvalue(), tarred({**members, "a.log": GOOD}))
    return [Crafted(one, "link or device") for one in both_kinds]


def entry(name: bytes, packed: bytes, plain: bytes) -> bytes:
    """A line of a zip file's directory, of a member whose header lies at its beginning."""
    sizes = (zlib.crc32(plain), len(packed), len(plain), len(name), 0, 0, 0, 0, 0, 0)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, *sizes) + name


def directory(entries: bytes, count: int, at: int) -> bytes:
    return entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), at, 0)


def a_million_members() -> list[Crafted]:
    empty = tarred({"x": b""})[:512]
    one = entry(b"x", b"", b"")
    local = b"PK\3\4"  # so that it is known as a zip file
    archives = (
        empty * 1_000_000,
        local + directory(one * 1_000_000, 0xFFFF, len(local)),
        local + directory(one * 20_000, 20_000, len(local)),
    )
    return [Crafted(data, "more than 10,000", is_read=False) for data in archives]


def ten_levels() -> list[Crafted]:
    zips, tars = zipped({"a.log": GOOD}), tarred({"a.log": GOOD})
    for _ in range(10):
        zips, tars = zipped({"i": zips, "a.log": GOOD}), tarred({"i": tars, "a.log": GOOD})
    return [Crafted(zips, "2 deep"), Crafted(tars, "2 deep")]


def one_that_swells() -> list[Crafted]:
    """Hundreds of megabytes of NULs; of a stream, nothing behind them is read."""
    return [
        Crafted(zipped({"bomb.log": bytes(300_000_000), "a.log": GOOD}), "ratio"),
        Crafted(tarred({"a.log": GOOD, "bomb.log": bytes(100_000_000)}, "w:gz"), "ratio"),
    ]


def many_that_swell() -> list[Crafted]:
    """As 42.zip: zip files of zip files of zeros; and so few levels of them that they are looked into."""
    inner = zipped({"0.log": bytes(50_000_000)})
    layer = zipped({f"{number}.zip": inner for number in range(16)})
    return [
        Crafted(zipped({**{f"{number}.zip": layer for number in range(16)}, "a.log": GOOD}), "2 deep"),
        Crafted(zipped({"layer.zip": inner, "a.log": GOOD}), "ratio"),
    ]


def overlapping() -> list[Crafted]:
    """Forty members that are the same 9 MB, which lie in the file once.

    Source: Fifield, "A better zip bomb", WOOT 2019.
    """
    plain = GOOD * (9_000_000 // len(GOOD))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(plain) + packer.flush()
    sizes = (zlib.crc32(plain), len(packed), len(plain), 5, 0)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, *sizes) + b"00000" + packed
    entries = b"".join(entry(b"%05d" % number, packed, plain) for number in range(40))
    return [Crafted(local + directory(entries, 40, len(local)), "ratio")]


def lies() -> list[Crafted]:
    """Sizes and checksums that are not the member's, encryption, methods that are not known."""
    sound = zipped({"a.log": GOOD, "b.log": GOOD})
    at = sound.rindex(b"PK\1\2")
    changes = ((16, b"\1\2\3\4", "checksum"), (24, b"\x10\0\0\0", "more than"), (24, b"\0\0\0\x20", "ends"))
    changes += ((8, b"\1", "encrypted"), (10, b"\x62", "method 98"), (42, b"\x11", "no header"))
    return [
        Crafted(sound[: at + place] + change + sound[at + place + len(change) :], reason)
        for place, change, reason in changes
    ]


CRAFTED: tuple[Callable[[], list[Crafted]], ...] = (
    names_that_lead_out,
    links_and_devices,
    a_million_members,
    ten_levels,
    one_that_swells,
    many_that_swell,
    overlapping,
    lies,
)


def crafted(number: int) -> None:
    """Nothing leaves the archive, the machine keeps its memory and time, the reason is told, the good log is read."""
    for one in CRAFTED[number % len(CRAFTED)]():
        began = time.process_time()
        with folder_of({"logs.bin": one.data}) as folder:
            if not one.is_read:
                with pytest.raises(ArchiveError, match=one.reason):
                    contents(folder / "logs.bin")
            else:
                read_crafted(folder, one)
            assert [path.name for path in folder.rglob("*")] == ["logs.bin"]
        assert time.process_time() - began < MOST_S


def read_crafted(folder: Path, one: Crafted) -> None:
    _, refused = find_sources(Case(folder, "crafted", (SourceSpec("logs.bin", "render_export"),)))
    with load_folder(folder, "logs.bin", "render_export") as connection:
        total = count(connection, "sum(bytes)")
        assert total <= max(20_000_000, 250 * len(one.data)), f"{total} bytes out of {len(one.data)}"
        rows = connection.execute("SELECT path, source_id, damage FROM sources").fetchall()
        assert one.reason in " ".join([*refused, *(damage or "" for *_, damage in rows)]), (refused, rows)
        for source_id in [source_id for path, source_id, _ in rows if path == "logs.bin!/a.log"]:
            assert_whole(connection, GOOD, source_id)
            break
        else:
            assert not any("a.log" in path for path, *_ in rows) and b"a.log" not in one.data


def members(number: int) -> None:
    """Sound archives of every kind, an archive in an archive, compressed members: each byte is read once."""
    chance = random.Random(number)
    logs = {f"host{n}/app-{n}.log": ("\n".join(text_lines(chance, 200)) + "\n").encode() for n in range(4)}
    logs |= {"é" * 60 + "/" + "long" * 40 + ".log": GOOD}
    inner = chance.choice((zipped(logs), tarred(logs, "w:gz"), tarred(logs)))
    outer = logs | {"inner.bin": inner}
    end = list(TAR_KINDS)[number % 4]
    form = chance.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    data = chance.choice((zipped(outer, method), tarred(dict(outer), TAR_KINDS[end], form)))
    expected = {f"any!/{name}": content for name, content in logs.items()}
    expected |= {f"any!/inner.bin!/{name}": content for name, content in logs.items()}
    with folder_of({"any": data}) as folder, load_folder(folder, "any", None) as connection:
        rows = connection.execute("SELECT path, source_id, damage FROM sources").fetchall()
        assert {path for path, _, _ in rows} == set(expected)
        for path, source_id, damage in rows:
            assert damage is None
            assert_whole(connection, expected[path], source_id)


def mutated_archive(number: int) -> None:
    """A changed archive is read, member by member, or refused: never a crash, never without end."""
    chance = random.Random(number)
    logs = {f"{n}.log": ("\n".join(text_lines(chance, 50)) + "\n").encode() for n in range(3)}
    data = chance.choice(
        (zipped(logs), zipped(logs, zipfile.ZIP_STORED), tarred(dict(logs)), tarred(dict(logs), "w:gz"))
    )
    for _ in range(20):
        with folder_of({"any": mutated(chance, data, [data])}) as folder:
            began = time.process_time()
            try:
                for content in contents(folder / "any"):
                    if not content.refused:
                        with content.open() as opened:
                            while opened.read(1 << 20):
                                pass
            except (ArchiveError, Unopenable) as error:
                assert str(folder) in str(error)
            assert time.process_time() - began < 2


def cut_archive(number: int) -> None:
    """A tar file cut anywhere: what lies before the cut is read, the cut is told. A cut zip file is refused."""
    chance = random.Random(number)
    logs = {f"{n}.log": ("\n".join(text_lines(chance, 300)) + "\n").encode() for n in range(3)}
    data = tarred(dict(logs), chance.choice(("w", "w:gz")))
    at = 600 + (len(data) - 600) * (number % 64) // 64
    with folder_of({"any": data[:at]}) as folder:
        with load_folder(folder, "any", "render_export") as connection:
            rows = connection.execute(
                "SELECT path, source_id, damage, bytes FROM sources ORDER BY source_id"
            ).fetchall()
            for path, source_id, _, size in rows:
                assert_whole(connection, logs[path.removeprefix("any!/")][:size], source_id)
        _, refused = find_sources(Case(folder, "cut", (SourceSpec("any", "render_export"),)))
        assert refused or any(damage for *_, damage, _ in rows) or at > len(data) - 10_300
    whole = zipped(logs)
    with (
        folder_of({"any": whole[: 30 + (len(whole) - 30) * (number % 64) // 64]}) as folder,
        pytest.raises(ArchiveError, match="damaged zip"),
    ):
        contents(folder / "any")


TRIALS = (
    Trial(
        "archives",
        "8 crafted archives: paths, links, counts, depth, bombs",
        len(CRAFTED),
        crafted,
        len(CRAFTED),
    ),
    Trial("members", "sound zip and tar of every kind, nested, compressed", 200, members, 4),
    Trial("archives-cut", "archives cut at every 1/64", 128, cut_archive, 3),
    Trial("fuzz-archives", "mutated archives", 1000, mutated_archive, 2),
)
