"""Files of public data sets: found on this machine, or downloaded once and checked."""

import hashlib
import os
import tempfile
import zipfile
from numbers import Integral
from pathlib import Path
from typing import NamedTuple


class RemoteFolder(NamedTuple):
    """Files that belong together, and where their publisher has them.

    Parameters
    ----------
    name : str
        Name of the folder they lie in on this machine.
    url : str
        Address of the zip archive that holds ``name/file``; or, without `archive_sha256`, of the folder of the files.
    files : dict of str to str
        SHA-256 of each file.
    archive_sha256 : str, optional
        SHA-256 of the archive.
    addresses : dict of str to str, optional
        For files that do not lie under their names in the folder at `url`, where they lie in it.
    """

    name: str
    url: str
    files: dict[str, str]
    archive_sha256: str | None = None
    addresses: dict[str, str] | None = None


def get_data_home(data_home=None):
    """Folder in which the fetchers keep what they download.

    The fetchers look for files in the folder that the environment variable ``SKREC_DATA_HOME`` names, which they never
    write to, and then in this one.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder; None stands for ``skrec_data`` in the home folder. ``~`` is expanded.

    Returns
    -------
    pathlib.Path
        The folder, which is created when missing.

    Examples
    --------
    >>> import tempfile
    >>> from skrec.datasets import get_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     get_data_home(folder).is_dir()
    True
    """
    path = Path("~/skrec_data" if data_home is None else data_home).expanduser()
    path.mkdir(parents=True, exist_ok=True)
    return path


def fetch_files(folder, names, *, data_home, download_if_missing, n_retries):
    """Find the named files, downloading what is missing.

    Parameters
    ----------
    folder : RemoteFolder
        Where they come from.
    names : sequence of str
        Which of ``folder.files`` are needed.
    data_home, download_if_missing, n_retries
        As in the fetchers.

    Returns
    -------
    paths : list of pathlib.Path
        A path for each name.

    Raises
    ------
    OSError
        When a file is missing and may not be, or cannot be, downloaded.
    ValueError
        When a file in ``SKREC_DATA_HOME`` is not the published one.
    """
    if isinstance(n_retries, bool) or not isinstance(n_retries, Integral) or n_retries < 0:
        raise ValueError(f"n_retries must be an int of at least 0; got {n_retries!r}.")
    found = {name: _find_supplied(folder, name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        cache = get_data_home(data_home)
        absent = [name for name in missing if not _is_published(cache / folder.name / name, folder.files[name])]
        if absent and not download_if_missing:
            raise OSError(
                f"{', '.join(absent)} not found in {cache / folder.name}, and download_if_missing=False. "
                f"{_by_hand(folder)}"
            )
        if absent:
            _download(folder, absent, cache, n_retries)
        found.update({name: cache / folder.name / name for name in missing})
    return list(found.values())


def _find_supplied(folder, name):
    """Path of the file in ``SKREC_DATA_HOME``; None without the variable or the file."""
    supplied = os.environ.get("SKREC_DATA_HOME")
    if not supplied:
        return None
    path = Path(supplied).expanduser() / folder.name / name
    if not path.is_file():
        return None
    if not _is_published(path, folder.files[name]):
        raise ValueError(
            f"{path} is not the published file: its SHA-256 differs from {folder.files[name]}. Replace or remove it; "
            f"the folder was named by the environment variable SKREC_DATA_HOME."
        )
    return path


def _is_published(path, sha256):
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _by_hand(folder):
    return (
        f"You can also get it by hand from {folder.url}, put the files in a folder named {folder.name!r}, and set "
        f"SKREC_DATA_HOME to the folder above that one."
    )


def _download(folder, names, cache, n_retries):
    """Download the files, or the archive that holds them, to the cache; nothing incomplete stays there."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"Downloading {folder.name!r} needs pooch: pip install skrec-learn[datasets]. {_by_hand(folder)}"
        ) from error

    if folder.archive_sha256:
        target, hashes = cache, {f"{folder.name}.zip": folder.archive_sha256}
        urls = {f"{folder.name}.zip": folder.url}
    else:
        target, hashes = cache / folder.name, {name: folder.files[name] for name in names}
        addresses = folder.addresses or {}
        urls = {name: f"{folder.url}/{addresses.get(name, name)}" for name in names}
    # Pooch downloads to a temporary file, which it moves when the checksum is right and removes otherwise.
    registry = pooch.create(
        path=target,
        base_url="",
        registry={name: f"sha256:{digest}" for name, digest in hashes.items()},
        urls=urls,
        retry_if_failed=n_retries,
    )
    try:
        paths = [Path(registry.fetch(name)) for name in hashes]
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise OSError(
            f"Could not download {folder.name!r} in {n_retries + 1} attempts: {error} {_by_hand(folder)}"
        ) from error
    if folder.archive_sha256:
        _extract(paths[0], folder, names, cache)
        paths[0].unlink()


def _extract(archive, folder, names, cache):
    """Put the named members of a checked archive in place, whole or not at all."""
    (cache / folder.name).mkdir(exist_ok=True)
    with zipfile.ZipFile(archive) as zipped:
        for name in names:
            with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
                try:
                    file.write(zipped.read(f"{folder.name}/{name}"))
                    file.close()
                    os.replace(file.name, cache / folder.name / name)
                except BaseException:
                    file.close()
                    os.unlink(file.name)
                    raise
