"""What became of each entry of a file of weights."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WeightsReport:
    """What `load_weights` did: every array of the file and of the model is in one of these lists.

    `loaded`: paths in the model that were set. `unused`: names in the file that nothing takes. `missing`: paths in the
    model for which the file has nothing. `misfits`: sentences on the arrays that could not be used (another shape, no
    floating point, not finite). `ignored`: names and paths that `ignore` told to pass over. `naming`: whose names the
    file has: "torchvision", "keras", "slim", "g2p_en" or "own".
    """

    naming: str
    loaded: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    ignored: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Everything was used and nothing is missing."""
        return not (self.unused or self.missing or self.misfits)

    def __str__(self) -> str:
        """One line a list, the first dozen of each by name."""
        lines = [f"{len(self.loaded)} arrays loaded by {self.naming} names, {len(self.ignored)} ignored"]
        lists = {
            "missing in the file": self.missing,
            "unused, the model has none such": self.unused,
            "cannot be used": self.misfits,
        }
        for what, listed in lists.items():
            if listed:
                more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
                lines.append(f"{len(listed)} {what}: {', '.join(listed[:12])}{more}")
        return "\n".join(lines)
