"""Downloads, from a server on this machine: no test leaves it."""

import builtins
import hashlib
import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from skrec.datasets import get_data_home
from skrec.datasets._remote import RemoteFolder, fetch_files

_CONTENT = {"one.txt": b"1 2 3\n", "two.txt": b"4 5 6\n"}
_SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in _CONTENT.items()}


class _Server:
    """Answers each path with its list of bodies, one a request and the last for ever; an int is an error's status."""

    def __init__(self):
        self.answers, self.requests = {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                answers = outer.answers[self.path]
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(answer if isinstance(answer, int) else 200)
                body = b"" if isinstance(answer, int) else answer
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SKREC_DATA_HOME", raising=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # pooch waits between attempts
    server = _Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def _files(server):
    server.answers = {f"/data/{name}": [content] for name, content in _CONTENT.items()}
    return RemoteFolder(name="numbers", url=f"{server.url}/data", files=_SHA256)


def _archive(server, content=_CONTENT):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, text in content.items():
            zipped.writestr(f"numbers/{name}", text)
    server.answers = {"/numbers.zip": [buffer.getvalue()]}
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    return RemoteFolder(name="numbers", url=f"{server.url}/numbers.zip", files=_SHA256, archive_sha256=sha256)


def _fetch(folder, home, names=tuple(_CONTENT), download_if_missing=True, n_retries=3):
    return fetch_files(folder, names, data_home=home, download_if_missing=download_if_missing, n_retries=n_retries)


def _all_files(home):
    return sorted(str(path.relative_to(home)) for path in Path(home).rglob("*") if path.is_file())


def test_files_that_lie_elsewhere_below_the_address_are_found_there(server, tmp_path):
    folder = RemoteFolder(
        name="numbers",
        url=f"{server.url}/data",
        files={"a/one.txt": _SHA256["one.txt"], "two.txt": _SHA256["two.txt"]},
        addresses={"a/one.txt": "a/b/uno.txt"},
    )
    server.answers = {"/data/a/b/uno.txt": [_CONTENT["one.txt"]], "/data/two.txt": [_CONTENT["two.txt"]]}
    paths = _fetch(folder, tmp_path, names=("a/one.txt", "two.txt"))
    assert [path.read_bytes() for path in paths] == list(_CONTENT.values())
    assert _all_files(tmp_path) == ["numbers/a/one.txt", "numbers/two.txt"]


@pytest.mark.parametrize("form", [_files, _archive])
def test_missing_files_are_downloaded_once_and_nothing_else_is_kept(server, tmp_path, form):
    folder = form(server)
    paths = _fetch(folder, tmp_path)
    assert [path.read_bytes() for path in paths] == list(_CONTENT.values())
    n_requests = len(server.requests)
    assert _fetch(folder, tmp_path) == paths
    assert len(server.requests) == n_requests
    assert _all_files(tmp_path) == ["numbers/one.txt", "numbers/two.txt"]


def test_only_the_files_asked_for_are_downloaded(server, tmp_path):
    _fetch(_files(server), tmp_path, names=["two.txt"])
    assert server.requests == ["/data/two.txt"]


@pytest.mark.parametrize("form", [_files, _archive])
def test_a_damaged_file_in_the_cache_is_downloaded_again(server, tmp_path, form):
    folder = form(server)
    first, _ = _fetch(folder, tmp_path)
    first.write_bytes(b"1 2")
    first, _ = _fetch(folder, tmp_path)
    assert first.read_bytes() == _CONTENT["one.txt"]


@pytest.mark.parametrize("failure", [500, 404, b"not the file"])
def test_a_failed_attempt_is_repeated(server, tmp_path, failure):
    folder = _files(server)
    server.answers["/data/one.txt"] = [failure, failure, _CONTENT["one.txt"]]
    (path,) = _fetch(folder, tmp_path, names=["one.txt"], n_retries=2)
    assert path.read_bytes() == _CONTENT["one.txt"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(("failure", "reason"), [(500, "500"), (b"not the file", "SHA256")])
def test_when_attempts_run_out_the_error_says_why_and_nothing_is_left_behind(server, tmp_path, failure, reason):
    folder = _files(server)
    server.answers["/data/two.txt"] = [failure]
    with pytest.raises(OSError, match=f"Could not download 'numbers' in 2 attempts: .*{reason}.*SKREC_DATA_HOME"):
        _fetch(folder, tmp_path, n_retries=1)
    assert server.requests.count("/data/two.txt") == 2
    assert _all_files(tmp_path) == ["numbers/one.txt"]  # whole, and checked


def test_an_archive_with_the_wrong_checksum_is_not_unpacked(server, tmp_path):
    folder = _archive(server)._replace(archive_sha256="0" * 64)
    with pytest.raises(OSError, match="SHA256"):
        _fetch(folder, tmp_path, n_retries=0)
    assert _all_files(tmp_path) == []


def test_a_failure_while_unpacking_leaves_no_part_of_a_file(server, tmp_path, monkeypatch):
    folder = _archive(server)
    read = zipfile.ZipFile.read

    def break_at_two(self, name):
        if name.endswith("two.txt"):
            raise OSError("disk full")
        return read(self, name)

    monkeypatch.setattr(zipfile.ZipFile, "read", break_at_two)
    with pytest.raises(OSError, match="disk full"):
        _fetch(folder, tmp_path)
    assert _all_files(tmp_path) == ["numbers.zip", "numbers/one.txt"]
    monkeypatch.undo()
    _fetch(folder, tmp_path)
    assert _all_files(tmp_path) == ["numbers/one.txt", "numbers/two.txt"]


def test_the_folder_of_the_variable_is_read_first_and_never_written(server, tmp_path, monkeypatch):
    folder = _files(server)
    supplied, cache = tmp_path / "supplied", tmp_path / "cache"
    (supplied / "numbers").mkdir(parents=True)
    (supplied / "numbers" / "one.txt").write_bytes(_CONTENT["one.txt"])
    monkeypatch.setenv("SKREC_DATA_HOME", str(supplied))
    paths = _fetch(folder, cache)
    assert paths == [supplied / "numbers" / "one.txt", cache / "numbers" / "two.txt"]
    assert server.requests == ["/data/two.txt"]
    assert _all_files(supplied) == ["numbers/one.txt"]


def test_a_complete_folder_of_the_variable_needs_no_cache_and_no_pooch(server, tmp_path, monkeypatch):
    (tmp_path / "numbers").mkdir()
    for name, content in _CONTENT.items():
        (tmp_path / "numbers" / name).write_bytes(content)
    monkeypatch.setenv("SKREC_DATA_HOME", str(tmp_path))
    _forbid_pooch(monkeypatch)
    _fetch(_files(server), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_changed_file_in_the_folder_of_the_variable_is_refused(server, tmp_path, monkeypatch):
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "one.txt").write_bytes(b"edited")
    monkeypatch.setenv("SKREC_DATA_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="one.txt is not the published file.*SKREC_DATA_HOME"):
        _fetch(_files(server), tmp_path / "cache")
    assert (tmp_path / "numbers" / "one.txt").read_bytes() == b"edited"


def test_download_can_be_forbidden(server, tmp_path):
    with pytest.raises(OSError, match="one.txt, two.txt not found in .*download_if_missing=False"):
        _fetch(_files(server), tmp_path, download_if_missing=False)
    assert server.requests == []


def test_without_pooch_the_error_says_how_to_install_it(server, tmp_path, monkeypatch):
    _forbid_pooch(monkeypatch)
    with pytest.raises(ImportError, match=r"pip install skrec-learn\[datasets\].*SKREC_DATA_HOME"):
        _fetch(_files(server), tmp_path)


def _forbid_pooch(monkeypatch):
    real_import = builtins.__import__

    def without_pooch(name, *args, **kwargs):
        if name == "pooch":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pooch)


@pytest.mark.parametrize("n_retries", [-1, 1.5, True, None])
def test_a_wrong_number_of_retries_is_named(server, tmp_path, n_retries):
    with pytest.raises(ValueError, match=f"n_retries must be an int of at least 0; got {n_retries}"):
        _fetch(_files(server), tmp_path, n_retries=n_retries)


def test_the_data_home_is_in_the_home_folder_unless_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert get_data_home() == tmp_path / "skrec_data"
    assert get_data_home("~/elsewhere") == tmp_path / "elsewhere"
    assert (tmp_path / "elsewhere").is_dir()
