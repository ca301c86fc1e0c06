"""What `jaxml train` trains: tables and images, a translation, or a forecast."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRANSLATE, FORECAST = "translate", "seattle_weather"
# The options of `jaxml train` that are for a translation alone, and for tables and images alone, each with what it is
# where it is not given.
OF_TRANSLATE = {"pairs": None, "vocab_size": None, "max_length": None, "hidden_features": None, "beam_size": None}
OF_OTHERS = {"target": None, "task": None, "drop": [], "text": [], "drop_missing_target": False, "augment": None}


@dataclass(frozen=True)
class Job:
    """What `fit` gets: `options` are those that other jobs do not have. `data` and `examples` are for the report.

    `keep(folder)` writes, before training, what the network is of use with; `finish(result, folder)` comes after it and
    gives further figures.
    """

    data: str
    model: str
    task: str
    examples: tuple[int, int]
    module: Any
    train: Any
    validation: Any
    loss: Callable[..., Any]
    metrics: Mapping[str, Any]
    steps: int
    keep: Callable[[Path], None]
    finish: Callable[[Any, Path], dict[str, Any]] = lambda result, folder: {}
    options: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, asked: Mapping[str, Any], rule: Any, **options: Any) -> Any:
        """`train.fit` of this job, by `rule`, for the epochs that are asked for; `options` are the command's own."""
        from jaxml.train import fit

        return fit(
            self.module,
            self.train,
            loss=self.loss,
            optimizer=rule,
            epochs=asked["epochs"],
            validation=self.validation,
            metrics=self.metrics,
            compute_dtype=asked["compute_dtype"],
            seed=asked["seed"],
            **options,
            **self.options,
        )


def check_options(source: str, asked: Mapping[str, Any]) -> None:
    """Errors: `RecipeError` for options that are not this source's."""
    from jaxml.cli._train_recipe import RecipeError

    others, why = OF_TRANSLATE, "for `jaxml train translate`"
    if source == TRANSLATE:
        others, why = OF_OTHERS, "not for translation"
        if asked["model"] not in (None, "seq2seq"):
            raise RecipeError(f"--model of a translation is seq2seq, got {asked['model']}")
    elif source == FORECAST:
        others, why = OF_OTHERS | OF_TRANSLATE, f"not for {FORECAST}"
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if asked[name] != value]
    if given:
        raise RecipeError(f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} {why}")


def job_for(source: str, asked: Mapping[str, Any], recipe: Any) -> Job:
    """The job of `source`; `asked` are the options of `jaxml train`, the recipe's where the user said nothing."""
    check_options(source, asked)
    if source == FORECAST:
        from jaxml.cli import _forecast

        return _forecast.job(asked, recipe)
    return _translation(asked, recipe) if source == TRANSLATE else _examples(source, asked, recipe)


def _examples(source: str, asked: Mapping[str, Any], recipe: Any) -> Job:
    from jaxml.cli._train_data import prepare
    from jaxml.cli._train_recipe import RecipeError, convolutional, loss_for, model_for

    prepared = prepare(
        source,
        target=asked["target"],
        task=asked["task"],
        drop=tuple(asked["drop"]),
        text=tuple(asked["text"]),
        drop_missing_target=asked["drop_missing_target"],
        size=asked["size"],
        validation=asked["validation"],
        seed=asked["seed"],
    )
    options = recipe.options if asked["model"] == recipe.model else {}
    name, module = model_for(asked["model"], prepared.example, prepared.outputs, asked["seed"], options)
    augment = convolutional(name) if asked["augment"] is None else asked["augment"]
    if augment and not prepared.images:
        raise RecipeError(f"--augment is for images; {prepared.name} has examples of shape {prepared.example}")
    loss, metrics = loss_for(prepared.task, prepared.scale)
    examples = len(prepared.train[0]), len(prepared.validation[0])
    return Job(
        data=prepared.name,
        model=name,
        task=prepared.task,
        examples=examples,
        module=module,
        train=prepared.train,
        validation=prepared.validation,
        loss=loss,
        metrics=metrics,
        steps=asked["epochs"] * math.ceil(examples[0] / asked["batch_size"]),
        keep=prepared.keep,
        options={
            "batch_size": asked["batch_size"],
            "augment": recipe.augment(prepared.example) if augment else None,
        },
    )


def _translation(asked: Mapping[str, Any], recipe: Any) -> Job:
    import jax

    from jaxml.cli import _translate
    from jaxml.cli._train_recipe import RecipeError

    if jax.process_count() > 1:
        raise RecipeError("translate trains in one process, on all of its devices with --mesh")
    options = dict(recipe.options)
    if asked["hidden_features"] is not None:
        options["embedding_features"] = options["hidden_features"] = asked["hidden_features"]
    beams = asked["beam_size"] or _translate.BEAM_SIZE
    prepared = _translate.prepare(
        None if asked["pairs"] is None else Path(asked["pairs"]),
        vocab_size=asked["vocab_size"] or _translate.VOCAB_SIZE,
        max_length=asked["max_length"] or _translate.MAX_LENGTH,
        batch_size=asked["batch_size"],
        beam_size=beams,
        validation=asked["validation"],
        seed=asked["seed"],
        options=options,
    )
    return Job(
        data=prepared.name,
        model="seq2seq",
        task="translation",
        examples=prepared.pairs[:2],
        module=prepared.apply(),
        train=prepared.train,
        validation=prepared.validation,
        loss=_translate.loss,
        metrics=_translate.METRICS,
        steps=asked["epochs"] * len(prepared.train),
        keep=prepared.keep,
        finish=lambda result, folder: prepared.finish(result, folder, beam_size=beams),
        options={"steps_per_epoch": len(prepared.train)},
    )
