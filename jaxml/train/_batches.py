"""What `fit` trains on, cut into batches of one size, losing nothing: arrays in memory or images on disk, or any stream
of batches."""

import base64
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from jaxml.data._image_folder import Images
from jaxml.functional._checks import check_positive

Batch = tuple[Any, Any, np.ndarray]  # x, y, where; x and y arrays or trees of arrays with the examples first


class Arrays:
    """(x, y) in memory, or `data.Images` on disk: every epoch sees every example once, in an order that seed and epoch
    fix.

    The last batch is filled up with the first examples of the order, whose `where` is False: real examples, so that
    batch normalisation sees the data and no zeros. `shuffle=False` is for validation: the order as it is.
    """

    whole = True  # every process holds the whole batch, and not its own part of it
    over = False  # there is always another epoch

    def __init__(
        self,
        function: str,
        name: str,
        data: Any,
        batch_size: int | None,
        seed: int = 0,
        shuffle: bool = True,
        multiple: int = 1,
    ):
        self.x, self.y = as_pair(function, name, data)
        self.examples = len(jax.tree.leaves(self.x)[0])
        if batch_size is not None:
            check_positive(function, "batch_size", [batch_size])
        self.size = min(32, self.examples) if batch_size is None else batch_size
        if shuffle and self.size > self.examples:
            raise ValueError(
                f"{function}: batch_size must be at most the number of examples, {self.examples}, got {batch_size}"
            )
        self.size = min(self.size, -(-self.examples // multiple) * multiple)  # equal parts for so many devices
        self.seed, self.shuffle = seed, shuffle
        self.steps = -(-self.examples // self.size)
        self.first = next(self.epoch(0))

    def epoch(self, epoch: int, taken: int = 0) -> Iterator[Batch]:
        """The batches of this epoch after the first `taken`."""
        n, all_count = self.examples, np.ones(self.size, bool)
        order = np.random.default_rng([self.seed, epoch]).permutation(n) if self.shuffle else np.arange(n)
        leaves, tree = jax.tree.flatten((self.x, self.y))
        for start in range(taken * self.size, n, self.size):
            index, where = order[start : start + self.size], all_count
            if len(index) < self.size:
                positions = np.arange(start, start + self.size)
                index, where = order.take(positions, mode="wrap"), positions < n
            yield *tree.unflatten([_rows(a, index) for a in leaves]), where

    def ended(self, taken: int) -> bool:
        """Whether an epoch of which this many batches are taken has no more."""
        return taken >= self.steps

    def position(self) -> Any:
        """Nothing: epoch and number of batches taken say it all."""
        return None

    def seek(self, position: Any) -> None:
        del position

    def config(self) -> dict[str, Any]:
        """What must be the same for a run to be continued."""
        return {"data": "arrays", "examples": self.examples, "batch_size": self.size, "seed": self.seed}


class Stream:
    """An iterable of batches `(x, y)`, `(x, y, where)` or mappings of those names, such as a list, a PyTorch or Grain
    loader. An epoch is one pass, or `steps` batches, passes following one another.

    A smaller batch than the first is filled up, as `Arrays` does. The position is the iterator's own state where it has
    one (`get_state` and `set_state`, as Grain's), otherwise the number of batches taken since the pass began: those
    are taken again when a run is resumed, so a pass must then give the same batches in the same order.
    """

    whole = False

    def __init__(self, function: str, name: str, data: Any, steps: int | None):
        if not isinstance(data, Iterable):
            raise ValueError(
                f"{function}: {name} must be a pair of arrays (x, y) or an iterable of batches, "
                f"got {type(data).__name__}"
            )
        if steps is not None:
            check_positive(function, "steps_per_epoch", [steps])
        self.function, self.name, self.data, self.steps = function, name, data, steps
        self.iterator: Iterator[Any] | None = None
        self.once = iter(data) is data  # an iterator: it cannot begin anew
        self.over, self.taken = False, 0
        self.first = self._peek()
        self.size = len(self.first[2])

    def _peek(self) -> Batch:
        """The first batch, for its shapes; it is given again."""
        iterator = iter(self.data)
        state = iterator.get_state() if self.once and hasattr(iterator, "get_state") else None  # pyright: ignore
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError(f"{self.function}: {self.name} must have at least one batch") from None
        if state is not None:
            iterator.set_state(state)  # pyright: ignore[reportAttributeAccessIssue]
        if self.once:
            self.iterator = iterator if state is not None else itertools.chain([first], iterator)
        return self._checked(first)

    def epoch(self, epoch: int, taken: int = 0) -> Iterator[Batch]:
        """The batches until the pass ends, or `steps` are taken in all."""
        del epoch
        while not self.over and (self.steps is None or taken < self.steps):
            if self.iterator is None:
                self.iterator, self.taken = iter(self.data), 0
            try:
                raw = next(self.iterator)
            except StopIteration:
                if self.taken == 0:
                    raise ValueError(f"{self.function}: {self.name} gave no batch when it began anew") from None
                self.iterator, self.over = None, self.once
                if self.steps is None:
                    return
                continue
            self.taken, taken = self.taken + 1, taken + 1
            yield self._filled(self._checked(raw))

    def ended(self, taken: int) -> bool:
        if self.steps is not None and taken >= self.steps:
            return True
        return self.over or (self.steps is None and self.iterator is None)

    def position(self) -> Any:
        state = None
        if self.iterator is not None and hasattr(self.iterator, "get_state"):
            state = self.iterator.get_state()  # pyright: ignore[reportAttributeAccessIssue]
            state = {"bytes": base64.b64encode(state).decode()} if isinstance(state, bytes) else {"json": state}
        taken = self.taken if self.iterator is not None else 0
        return {"taken": taken, "state": state, "size": self.size, "over": self.over}

    def seek(self, position: Any) -> None:
        self.size, taken, state = position["size"], position["taken"], position["state"]
        self.over = position["over"]  # an iterator given again begins anew, the run does not
        if taken == 0:
            return
        if self.iterator is None:
            self.iterator = iter(self.data)
        self.taken = taken
        if state is not None:
            value = base64.b64decode(state["bytes"]) if "bytes" in state else state["json"]
            try:
                self.iterator.set_state(value)  # pyright: ignore[reportAttributeAccessIssue]
            except Exception as error:
                raise ValueError(
                    f"{self.function}: {self.name} is not what the checkpoint was made with: {error}"
                ) from error
            return
        for n in range(taken):
            if next(self.iterator, self) is self:
                raise ValueError(
                    f"{self.function}: {self.name} ended after {n} batches, but the checkpoint was made after {taken}"
                )

    def config(self) -> dict[str, Any]:
        return {"data": "batches", "steps_per_epoch": self.steps}

    def _checked(self, raw: Any) -> Batch:
        """A batch as (x, y, where), in the precision JAX computes in."""
        if isinstance(raw, dict):
            if not {"x", "y"} <= raw.keys() <= {"x", "y", "where"}:
                raise ValueError(
                    f"{self.function}: a batch that is a mapping must have x and y, and where if some examples "
                    f"do not count; got {', '.join(map(str, raw))}"
                )
            raw = tuple(raw[key] for key in ("x", "y", "where") if key in raw)
        if not isinstance(raw, tuple | list) or len(raw) not in (2, 3):
            got = f"{len(raw)} parts" if isinstance(raw, tuple | list) else type(raw).__name__
            raise ValueError(f"{self.function}: a batch must be (x, y) or (x, y, where), got {got}")
        x, y = (_canonical(part) for part in raw[:2])
        n = _length(self.function, self.name, x, y)
        where = np.asarray(raw[2]) if len(raw) == 3 else np.ones(n, bool)
        if where.dtype != bool:
            raise TypeError(f"{self.function}: where must be boolean, got {where.dtype}")
        if where.shape != (n,):
            raise ValueError(f"{self.function}: where must have shape ({n},), one entry per example, got {where.shape}")
        return x, y, where

    def _filled(self, batch: Batch) -> Batch:
        n = len(batch[2])
        if n >= self.size:
            return batch
        positions = np.arange(self.size)
        x, y, where = jax.tree.map(lambda a: a[positions % n], batch)
        return x, y, where & (positions < n)


def source(
    function: str, name: str, data: Any, batch_size: int | None, steps: int | None, seed: int
) -> Arrays | Stream:
    """What `data` is: a pair of arrays (or of trees of arrays), or a stream of batches."""
    if is_pair(data):
        if steps is not None:
            raise ValueError(f"{function}: steps_per_epoch is for streams; arrays have their own number of batches")
        return Arrays(function, name, data, batch_size, seed)
    if hasattr(data, "shape") or isinstance(data, tuple):
        as_pair(function, name, data)  # raises, and says why
    if batch_size is not None:
        raise ValueError(f"{function}: batch_size is for arrays; a stream of batches brings its own")
    return Stream(function, name, data, steps)


def as_pair(function: str, name: str, data: Any) -> tuple[Any, Any]:
    """`data` as host arrays (x, y) of one length, finite, in the precision JAX computes in; images stay on disk."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} parts" if isinstance(data, tuple | list) else type(data).__name__
        raise ValueError(f"{function}: {name} must be a pair of arrays (x, y), got {got}")
    for part, tree in zip("xy", data, strict=True):
        if not jax.tree.leaves(tree):
            raise ValueError(f"{function}: {name} must have {part}, got {tree}")
    # Once here, and not for every batch: float64 from NumPy or scikit-learn becomes float32 unless x64 is enabled.
    x, y = (jax.tree.map(_host, part) for part in data)
    n = _length(function, name, x, y)
    if n == 0:
        raise ValueError(f"{function}: {name} must have at least one example ({_shapes(x, y)})")
    for part, tree in (("x", x), ("y", y)):
        for a in jax.tree.leaves(tree):
            if isinstance(a, np.ndarray) and np.issubdtype(a.dtype, np.floating) and not np.isfinite(a).all():
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
                raise ValueError(
                    f"{function}: {name}'s {part} must be finite, got {a[where]} in example {where[0]}; "
                    f"leave such examples out or fill them in"
                )
    return x, y


def is_pair(data: Any) -> bool:
    """`data` are x and y, and no batches: every tuple of two, and a list of two but where both look like batches."""
    return isinstance(data, tuple | list) and len(data) == 2 and (isinstance(data, tuple) or not all(map(_batch, data)))


def _batch(part: Any) -> bool:
    if isinstance(part, dict):
        return {"x", "y"} <= part.keys()
    arrays = all(hasattr(leaf, "shape") for leaf in jax.tree.leaves(part))
    return isinstance(part, tuple | list) and len(part) in (2, 3) and arrays


def _canonical(tree: Any) -> Any:
    def leaf(a: Any) -> Any:
        if isinstance(a, jax.Array):
            return a
        a = np.asarray(a)
        if a.dtype == object or a.dtype.kind in "US":
            raise TypeError(f"fit: data must be numbers, got an array of {a.dtype}; encode strings first")
        return a.astype(jax.dtypes.canonicalize_dtype(a.dtype), copy=False)

    return jax.tree.map(leaf, tree)


def _rows(a: Any, index: np.ndarray) -> np.ndarray:
    """`a[index]`, whose usual way costs a quarter of the loop's time for a step."""
    return a.take(index, axis=0) if isinstance(a, np.ndarray) and a.ndim > 1 else a[index]


def _host(a: Any) -> Any:
    return a if isinstance(a, Images) else np.asarray(_canonical(a))


def _length(function: str, name: str, x: Any, y: Any) -> int:
    leaves = jax.tree.leaves((x, y))
    lengths = {a.shape[0] if a.ndim else -1 for a in leaves}
    if len(lengths) != 1 or -1 in lengths:
        raise ValueError(f"{function}: {name}'s x and y must have the same length ({_shapes(x, y)})")
    return lengths.pop()


def _shapes(x: Any, y: Any) -> str:
    def shape(tree: Any) -> str:
        return str(tree.shape) if hasattr(tree, "shape") else str(jax.tree.map(lambda a: a.shape, tree))

    return f"x: {shape(x)}, y: {shape(y)}"
