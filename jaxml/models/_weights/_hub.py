"""Weights by where they are: a path, or a file of a repository on the Hugging Face hub."""

import re
from pathlib import Path

from jaxml.models._extras import require

_FORM = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<file>[^@]+))?")
# In the order in which they are taken, where a repository has several.
_ENDINGS = (".safetensors", ".weights.h5", ".keras", ".h5", ".pth", ".pt", ".bin", ".npz", ".pb")


def find(weights: str | Path) -> Path:
    """The path that `weights` names; `hub:owner/repo[@revision][/file]` is fetched, or taken from the hub's cache.

    Errors: FileNotFoundError where there is no such file; ValueError for another form of `hub:`; ConnectionError where
    the hub cannot be reached and its cache has no such file; ImportError without huggingface_hub.
    """
    text = str(weights)
    if not text.startswith("hub:"):
        path = Path(weights).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"create: weights {path} are not there; no network is made without them")
        return path
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"create: weights must be a path or hub:owner/repo[@revision][/file], got {text!r}")
    hub = require("create", "huggingface_hub", "huggingface_hub", extra="hub")
    repo, revision, file = form["repo"], form["revision"], form["file"]
    try:
        file = _choose(text, hub.list_repo_files(repo, revision=revision)) if file is None else file
        return Path(hub.hf_hub_download(repo, file, revision=revision))
    except ValueError:
        raise
    except Exception as error:  # the hub's own, the network library's and the system's, by version
        said = (str(error).splitlines() or [""])[0]
        raise ConnectionError(
            f"create: {text} cannot be had: {type(error).__name__}: {said}. Without a network, name the file "
            f"(hub:{repo}/model.safetensors) so that the cache is looked into, or give the path of one; no network is "
            f"made with random weights instead"
        ) from error


def _choose(text: str, files: list[str]) -> str:
    """The only file of weights, or `model.safetensors` among several."""
    for ending in _ENDINGS:
        found = [file for file in files if file.endswith(ending)]
        plain = [file for file in found if "/" not in file and Path(file).stem in ("model", "pytorch_model")]
        if len(found) == 1 or plain:
            return (plain or found)[0]
        if found:
            raise ValueError(f"create: {text} has several files of weights, name one: {', '.join(sorted(found)[:8])}")
    raise ValueError(f"create: {text} has no file of weights; its files are {', '.join(sorted(files)[:8])}")
